"""What all verbs share: examples, the panel a verb is listed in, and help that fits any width."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from biomass_pipeline.errors import InterruptedCommandError

BEGIN: Final = "Begin"
RUN: Final = "Run"
LOOK: Final = "Look"
NEW_PHOTOS: Final = "New photos"
CARRY_AWAY: Final = "Carry away"
CACHE: Final = "Cache"
# In the order in which `biomass --help` shows them.
PANELS: Final = (BEGIN, RUN, LOOK, NEW_PHOTOS, CARRY_AWAY, CACHE)

# Of every wrong use of the command line; typer exports only some of its children by name.
_MISUSE = cast("type[Exception]", typer.BadParameter.__mro__[1])
_HEAD = "Examples:"
_GAP = "\n\n"


@dataclass(frozen=True)
class Example:
    """One command line and what it is for."""

    line: str
    what: str

    @property
    def words(self) -> list[str]:
        """As a shell splits it."""
        return shlex.split(self.line)


def examples(*pairs: tuple[str, str]) -> str:
    r"""The end of a verb's help: command lines that work, each with what it is for.

    Args:
        pairs: A command line such as `biomass run`, and a few words.

    Returns:
        To be given as `epilog` where the verb is registered.

    >>> read_examples(examples(("biomass run", "what is stale")))
    [Example(line='biomass run', what='what is stale')]
    """
    return _GAP.join([_HEAD, *(f"# {what}\n{line}" for line, what in pairs)])


def read_examples(epilog: str | None) -> list[Example]:
    """What `examples` was given; nothing for any other text."""
    head, *blocks = (epilog or "").split(_GAP)
    if head != _HEAD:
        return []
    halves = (block.partition("\n") for block in blocks)
    return [Example(line, what.removeprefix("# ")) for what, _, line in halves]


class Verb(TyperCommand):
    """A verb whose help is shown by us, whole at any width."""

    def format_help(self, ctx: Any, _formatter: Any) -> None:  # noqa: ANN401  # typer's types are private
        """Print the help."""
        from biomass_pipeline.cli.helping import show_help  # noqa: PLC0415  # only who asks for it

        show_help(self, ctx)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # as above
        """Run the verb; Ctrl-C is an error that says how to go on."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedCommandError(ctx.command_path) from None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # as above
        """Read the options; a misspelt one is told with the nearest right one."""
        try:
            return super().parse_args(ctx, args)
        except _MISUSE as error:
            _suggest(error)
            raise


class Verbs(TyperGroup):
    """Verbs under one name, with the same help."""

    def format_help(self, ctx: Any, _formatter: Any) -> None:  # noqa: ANN401  # as above
        """Print the help."""
        from biomass_pipeline.cli.helping import show_help  # noqa: PLC0415  # as above

        show_help(self, ctx)


def command_of(app: typer.Typer) -> TyperGroup:
    """The command behind an app, every verb in it with our help, wherever it was registered."""
    _dress(app)
    return cast("TyperGroup", get_command(app))


def leaves(group: TyperGroup, path: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb and sub-verb with its path, without the groups.

    Args:
        group: Where to look.
        path: The words that lead there.
    """
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


def _dress(app: typer.Typer) -> None:
    for verb in app.registered_commands:
        verb.cls = Verb
    app.info.cls = Verbs
    for group in app.registered_groups:
        group.cls = Verbs
        if group.typer_instance is not None:
            _dress(group.typer_instance)


def _suggest(error: Exception) -> None:
    """Say only the nearest of the options that are called possible."""
    possible = getattr(error, "possibilities", None)
    name = getattr(error, "option_name", "")
    if not possible or not name:
        return
    # The nearest one comes first.
    told = f"No such option {name}. Did you mean {possible[0]}?"
    vars(error).update(possibilities=None, message=told)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most like another, if any is."""
    import difflib  # noqa: PLC0415  # only who mistypes pays for it

    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), lower, n=1)
    return lower[near[0]] if near else None
