"""What the verbs print on: boxes and colours on a terminal, aligned plain lines elsewhere."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from biomass_pipeline.startup import lasting

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red", "stale": "yellow", "missing": "red"}
_GAP = "  "
# Lines longer than this are hard to read, however wide a terminal is.
_WIDEST = 100
# A word that is longer may be folded in a table; a column's frame and padding.
_FOLDED, _FRAME = 20, 3


def open_console(*, stderr: bool = False) -> Console:
    """A console on standard output, or on standard error where that is left to a program."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


@contextmanager
def loading() -> Iterator[None]:
    """Show on a terminal that the program is still getting ready: its libraries take seconds."""
    console = open_console(stderr=True)
    shown = console.status("loading") if console.is_terminal else nullcontext()
    with shown, lasting():
        yield


def show_table(
    console: Console,
    title: str,
    *,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: bool = False,
) -> None:
    """Print a table: long cells are folded on a terminal and stay whole elsewhere, never cut.

    Where a terminal is too narrow for the words of all columns, a row is a paragraph.

    Args:
        console: Where to.
        title: Above it, in one line.
        columns: The headings.
        rows: A text a cell.
        numbers: Whether all columns but the first are numbers, set to the right.
    """
    console.print(title, markup=False, style="bold")
    if not console.is_terminal:
        for line in _aligned([columns, *rows], numbers=numbers):
            console.print(line, markup=False)
        return
    if _narrowest([columns, *rows]) > console.width:
        _show_stacked(console, columns, rows)
        return
    table = Table(box=box.ROUNDED)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if numbers and place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    console.print(table, soft_wrap=False)


def say(console: Console, text: str, *, style: str = "") -> None:
    """Print a line: on a terminal wrapped between words, elsewhere as it is.

    Args:
        console: Where to.
        text: What follows its first line is indented two more than it is.
        style: Its colour.
    """
    if console.is_terminal:
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        width = min(console.width, _WIDEST)
        text = textwrap.fill(
            text,
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    console.print(text, style=style, markup=False)


def show_error(console: Console, message: str) -> None:
    """Print a message to a person, wrapped between words; a path is never broken."""
    lines = f"error: {message}".splitlines()
    if console.is_terminal:
        lines = [_wrapped(line, console.width) for line in lines]
    console.print("\n".join(lines), style="red", markup=False)


def _narrowest(rows: Sequence[Sequence[str]]) -> int:
    """Columns that a table takes whose words are whole; but long ones, such as paths, may fold."""
    words = [max(map(_longest, column)) for column in zip(*rows, strict=True)]
    return sum(words) + _FRAME * len(words) + 1


def _longest(cell: str) -> int:
    return min(max(map(len, cell.split()), default=0), _FOLDED)


def _show_stacked(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for first, *others in rows:
        say(console, first, style="cyan")
        for name, cell in zip(columns[1:], others, strict=True):
            say(console, f"  {name}: {cell}")


def _wrapped(line: str, width: int) -> str:
    indent = len(line) - len(line.lstrip(" -"))
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _aligned(rows: Sequence[Sequence[str]], *, numbers: bool) -> list[str]:
    """One line a row, in columns."""
    flat = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*flat, strict=True)]
    return [
        _GAP.join(
            cell.rjust(width) if numbers and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in flat
    ]
