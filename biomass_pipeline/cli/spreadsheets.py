"""CSV that people open: no text in it is taken for a formula.

Kaggle's submission is not written here: its ids must be those of the test file, letter by letter.
"""

import re
from pathlib import Path

import pandas as pd

# What a spreadsheet takes for a formula when a cell starts with it, full-width forms included.
# Where the list separator of a country is a semicolon, a comma's table is cut at semicolons too,
# and a cell starts behind each of them.
_FORMULA = re.compile('(^|[;\t\r\n])("*)(?=[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])')


def safe_cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts no spreadsheet takes for formulas: those get an apostrophe in front.

    Args:
        table: Any; numbers and missing cells are left alone, and so are columns' names, which are
            ours or of the configuration.
    """
    texts = table.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    return table.assign(**{str(name): table[name].astype(object).map(_safe) for name in texts})


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for people."""
    safe_cells(table).to_csv(path, index=False, encoding="utf-8", errors="backslashreplace")


def _safe(cell: object) -> object:
    return _FORMULA.sub(r"\1'\2", cell) if isinstance(cell, str) else cell
