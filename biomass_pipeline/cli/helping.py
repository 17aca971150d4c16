"""`--help` of every verb: panels that are read at any width, since nothing in them is cut."""

import re
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.core import TyperArgument, TyperGroup

from biomass_pipeline.cli.verbs import PANELS, Example, read_examples

# Beside names, help in fewer columns is a ladder of single words: it goes below them.
_LEAST_HELP = 30
_WIDEST_NAME = 28
_INDENT = "  "
_KINDS = {
    "<list[str]>": "<text>",
    "<str>": "<text>",
    "<int>": "<number>",
    "<float>": "<number>",
    "<int range>": "<number>",
    "<float range>": "<number>",
}

Row = tuple[str, str]


def show_help(command: Any, ctx: Any) -> None:  # noqa: ANN401  # typer's types are private
    """Print usage, purpose, options or verbs, and examples.

    Args:
        command: A verb or a group of them.
        ctx: Of the call.
    """
    console = Console(highlight=False)
    width = min(console.width, 100)
    console.print()
    console.print(_wrapped(usage(command, ctx), width, indent=" "), style="bold", markup=False)
    console.print()
    for paragraph in (command.help or "").split("\n\n"):
        console.print(_wrapped(" ".join(paragraph.split()), width, indent=" "), markup=False)
        console.print()
    verbs = command.commands if isinstance(command, TyperGroup) else ()
    aligned = max(map(len, verbs), default=0)
    for title, rows in _panels(command, ctx):
        console.print(_panel(title, _listed(rows, width - 4, at_least=aligned), width))
    if shown := read_examples(command.epilog):
        console.print(_panel("Examples", _told(shown, width - 4), width))
    elif command.epilog:
        console.print(_wrapped(command.epilog, width, indent=" "), markup=False)


def usage(command: Any, ctx: Any) -> str:  # noqa: ANN401  # as above
    """How a verb is called, in one line.

    Args:
        command: A verb or a group of them.
        ctx: Of a call of it.
    """
    pieces = " ".join(command.collect_usage_pieces(ctx))
    words = re.sub(r"\{(.*?)\}|(?<=\[)([a-z]+)(?=\])", lambda w: (w[1] or w[2]).upper(), pieces)
    return f"Usage: {ctx.command_path} {words}"


def parameter_rows(command: Any, ctx: Any) -> list[tuple[str, str, bool]]:  # noqa: ANN401  # as above
    """Of each argument and option its names, its help and whether it is an argument.

    Args:
        command: A verb or a group of them.
        ctx: Of a call of it.
    """
    found = []
    for parameter in command.get_params(ctx):
        record = None if getattr(parameter, "hidden", False) else parameter.get_help_record(ctx)
        if record is not None:
            names, text = record
            for kind, said in _KINDS.items():
                names = names.replace(kind, said)
            found.append((names, " ".join(text.split()), isinstance(parameter, TyperArgument)))
    return found


def verb_rows(group: TyperGroup) -> dict[str, list[Row]]:
    """Names and purposes of a group's verbs, by panel in the order to show them."""
    by_panel: dict[str, list[Row]] = defaultdict(list)
    for name, verb in group.commands.items():
        if not verb.hidden:
            panel = getattr(verb, "rich_help_panel", None) or "Verbs"
            by_panel[panel].append((name, purpose(verb)))
    order = (*PANELS, *by_panel)
    return dict(sorted(by_panel.items(), key=lambda item: order.index(item[0])))


def purpose(verb: Any) -> str:  # noqa: ANN401  # as above
    """The first sentence of a verb's help."""
    return " ".join((verb.help or "").partition("\n\n")[0].split())


def _panels(command: Any, ctx: Any) -> list[tuple[str, list[Row]]]:  # noqa: ANN401  # as above
    found = parameter_rows(command, ctx)
    arguments = [(names, text) for names, text, argument in found if argument]
    options = [(names, text) for names, text, argument in found if not argument]
    verbs = list(verb_rows(command).items()) if isinstance(command, TyperGroup) else []
    listed = [("Arguments", arguments), *verbs, ("Options", options)]
    return [(title, rows) for title, rows in listed if rows]


def _panel(title: str, content: RenderableType, width: int) -> Panel:
    return Panel(
        content, title=title, title_align="left", border_style="dim", width=width, box=box.ROUNDED
    )


def _listed(rows: Sequence[Row], width: int, *, at_least: int) -> RenderableType:
    """Names beside their help, or above it where there is no room."""
    names = max(min(max(len(name) for name, _ in rows), _WIDEST_NAME), at_least)
    if width - names - 2 < _LEAST_HELP:
        return Text("\n").join(_stacked(name, text, width) for name, text in rows)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", overflow="fold", width=names)
    table.add_column(overflow="fold")
    for name, text in rows:
        # Only the last line of a long name has help beside it, so that neither cuts the other.
        *above, last = textwrap.wrap(name, names)
        for line in above:
            table.add_row(Text(line), Text())
        table.add_row(Text(last), Text(text))
    return table


def _stacked(name: str, text: str, width: int) -> Text:
    below = _wrapped(text, width, indent=_INDENT)
    return Text.assemble((_wrapped(name, width), "cyan"), "\n", below)


def _told(shown: Sequence[Example], width: int) -> Text:
    lines = [
        Text.assemble(
            (_wrapped(f"# {example.what}", width), "dim"),
            "\n",
            (_wrapped(example.line, width, further=_INDENT * 2), "cyan"),
        )
        for example in shown
    ]
    return Text("\n").join(lines)


def _wrapped(text: str, width: int, *, indent: str = "", further: str = "") -> str:
    """Wrapped between words; a word that is wider than the room is broken, and never cut."""
    return textwrap.fill(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + further,
        break_on_hyphens=False,
    )
