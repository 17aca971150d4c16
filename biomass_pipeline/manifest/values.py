"""Cells to numbers and dates, explicitly: every cell that is neither is reported."""

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_INFINITE: Final = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_YEAR_FIRST: Final = re.compile(r"(?P<y>\d{4})([/-])(?P<m>\d{1,2})\2(?P<d>\d{1,2})", re.ASCII)
_MONTH_FIRST: Final = re.compile(r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})", re.ASCII)

Report = Callable[[int, str], None]


def masses(cells: "pd.Series[str]", *, report: Report) -> "pd.Series[float]":
    """Read non-negative finite numbers; any other cell is reported and becomes NaN.

    Args:
        cells: Text, stripped.
        report: Called with the position of a bad cell and what is wrong with it.
    """
    texts = cells.tolist()
    found = np.array([_mass(text) for text in texts], dtype=np.float64)
    for position in np.flatnonzero(np.isnan(found)).tolist():
        report(position, _complaint(texts[position]))
    return pd.Series(found, index=cells.index)


def iso_dates(cells: "pd.Series[str]", *, report: Report) -> "pd.Series[str]":
    """Write dates as `2015-09-04`, so that two spellings of a day become one.

    Read are `2015/9/4`, `2015-09-04` and, month first as in the CSIRO files, `9/4/2015`. Any other
    cell but an empty one is reported and kept.

    Args:
        cells: Text, stripped.
        report: Called with the position of a bad cell and what is wrong with it.
    """
    known = {text: _iso_date(text) for text in cells.unique()}
    for position, text in enumerate(cells):
        if known[text] is None:
            report(position, f"`{text}` is not a date (2015-09-04, 2015/9/4, 9/4/2015 month first)")
    return cells.map(lambda text: known[text] or text).astype("str")


def is_number(text: str) -> bool:
    """Whether a cell is a plain decimal number."""
    return _NUMBER.fullmatch(text) is not None


def _mass(text: str) -> float:
    value = float(text) if is_number(text) else math.nan
    # Adding zero turns -0.0 into 0.0.
    return value + 0.0 if 0 <= value < math.inf else math.nan


def _complaint(text: str) -> str:
    if _DECIMAL_COMMA.fullmatch(text):
        return f"`{text}` has a decimal comma: write {text.replace(',', '.')}"
    if _INFINITE.fullmatch(text):
        return f"`{text}` is infinite"
    if not is_number(text):
        return f"`{text}` is not a number" if text else "is empty"
    return f"`{text}` is negative" if text.startswith("-") else f"`{text}` is infinite"


def _iso_date(text: str) -> str | None:
    match = _YEAR_FIRST.fullmatch(text) or _MONTH_FIRST.fullmatch(text)
    if match is None:
        return None if text else ""
    try:
        return date(int(match["y"]), int(match["m"]), int(match["d"])).isoformat()
    except ValueError:
        return None
