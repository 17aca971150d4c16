"""A table as the page shows it: text in cells, a caption, and what had to be left out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

# A page has to stay small and readable; the artefacts hold every row.
MAX_ROWS: Final = 300

_DASH: Final = "\N{EN DASH}"
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"  # between thousands, as in SI
_PERCENT: Final = "\N{NO-BREAK SPACE}%"
_MOST_DECIMALS: Final = 6


@dataclass(frozen=True)
class Head:
    """What a row is about; it may stand beside several rows."""

    text: str
    rows: int = 1


@dataclass(frozen=True)
class Row:
    """One line: its heads, then its cells."""

    heads: tuple[Head, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A captioned table.

    Attributes:
        caption: What it shows, units included.
        columns: The titles, those of the heads first.
        rows: The lines shown.
        left_out: How many lines the page does not show.
        numeric: Whether the cells are numbers, which line up on the right.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: int = 0
    numeric: bool = True

    def __bool__(self) -> bool:
        return bool(self.rows)


def grouped_rows(groups: Iterable[tuple[str, Sequence[tuple[str, Sequence[str]]]]]) -> list[Row]:
    """Lines with two heads each, the first standing beside all lines of its group.

    Args:
        groups: The outer head with its lines: the inner head and the cells.
    """
    rows = []
    for outer, lines in groups:
        for number, (inner, cells) in enumerate(lines):
            first = () if number else (Head(outer, len(lines)),)
            rows.append(Row((*first, Head(inner)), tuple(cells)))
    return rows


def text_table(
    caption: str, columns: Sequence[str], lines: Sequence[Sequence[str]], *, shown: int = MAX_ROWS
) -> Table:
    """A table of words; the first column heads the lines.

    Args:
        caption: What it shows.
        columns: The titles.
        lines: The cells, shape (line, column).
        shown: How many lines the page has room for.
    """
    rows = tuple(Row((Head(head),), tuple(cells)) for head, *cells in lines[:shown])
    return Table(caption, tuple(columns), rows, max(len(lines) - shown, 0), numeric=False)


def count(value: int) -> str:
    """A whole number, thousands apart."""
    return f"{value:,}".replace(",", _THIN)


def score(value: float | None) -> str:
    """An R2 with three decimals; a dash where it is not defined."""
    return _DASH if value is None or math.isnan(value) else _signed(f"{value:.3f}")


def number(value: float | None, *, digits: int = 3) -> str:
    """A number with so many significant digits, without exponent; a dash where there is none."""
    if value is None or math.isnan(value):
        return _DASH
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1]) if value else 0
    decimals = min(max(digits - 1 - exponent, 0), _MOST_DECIMALS)
    return _signed(f"{value:,.{decimals}f}".replace(",", _THIN))


def share(value: float | None) -> str:
    """A share as a percentage, with a decimal only near the ends; a dash where there is none."""
    if value is None or math.isnan(value):
        return _DASH
    percent = 100 * value
    near_an_end = 99 <= percent < 100 or 0 < percent < 1  # noqa: PLR2004 - would round to 0 or 100
    return _signed(f"{percent:.{1 if near_an_end else 0}f}") + _PERCENT


def spoken_group(group: str) -> str:
    """A group as a person would name it: the values of its columns."""
    return ", ".join(part.partition("=")[2] or part for part in group.split("|"))


def _signed(text: str) -> str:
    """With a true minus sign, and none before a zero."""
    if not text.strip("-0." + _THIN):
        return text.lstrip("-") if len(text) <= len("-0.000") else "0"
    return text.replace("-", "\N{MINUS SIGN}")
