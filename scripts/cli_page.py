"""Print docs/cli.md from the command line itself, so that the page cannot fall behind it."""

from collections.abc import Iterator

import typer
from typer.core import TyperGroup

from biomass_pipeline.cli.app import app
from biomass_pipeline.cli.helping import parameter_rows, usage, verb_rows
from biomass_pipeline.cli.verbs import command_of, read_examples

HEAD = """# Command line

`biomass` alone says where you are and what to do next; `biomass VERB --help` is what stands here.
Progress is a bar on a terminal and plain lines elsewhere; `NO_COLOR` is honoured. `biomass
--install-completion` teaches your shell verbs, options, assets, configuration keys and words.

| exit code | what |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | bad usage or configuration |
| 3 | done, but something is quarantined |
| 130 | stopped by Ctrl-C; what was finished is kept, and the next call goes on from it |

An error is one message; with `--json`, `{"error": "...", "kind": "..."}` on standard output."""


def page() -> str:
    """The whole page."""
    root = command_of(app)
    context = typer.Context(root, info_name="biomass")
    parts = [HEAD, *contents(root)]
    for rows in verb_rows(root).values():
        for name, _ in rows:
            parts += section(root.commands[name], context, name=name, level=2)
    return "\n".join(parts) + "\n"


def contents(root: TyperGroup) -> Iterator[str]:
    """The verbs by panel, each with its purpose."""
    yield "\n| verb | what |\n|---|---|"
    for panel, rows in verb_rows(root).items():
        yield f"| **{panel}** | |"
        yield from (f"| [{name}](#biomass-{name}) | {text} |" for name, text in rows)


def section(command: object, parent: typer.Context, *, name: str, level: int) -> Iterator[str]:
    """One verb, or a group with all its verbs."""
    context = typer.Context(command, info_name=name, parent=parent)
    yield f"\n{'#' * level} {context.command_path}\n"
    yield "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    yield f"\n```text\n{usage(command, context)}\n```\n"
    yield "| option | what |\n|---|---|"
    for names, text, _ in parameter_rows(command, context):
        yield f"| `{names}` | {text.replace('|', chr(92) + '|')} |"
    if shown := read_examples(command.epilog):
        lines = "\n".join(f"# {example.what}\n{example.line}" for example in shown)
        yield f"\n```sh\n{lines}\n```"
    if isinstance(command, TyperGroup):
        for sub, verb in command.commands.items():
            yield from section(verb, context, name=sub, level=level + 1)


if __name__ == "__main__":
    print(page(), end="")
