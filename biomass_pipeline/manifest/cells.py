"""A label file as text cells with line numbers: nothing is interpreted here."""

import csv
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import pairwise
from pathlib import Path
from typing import Final

import pandas as pd

from biomass_pipeline.errors import LabelTableError, MissingInputError
from biomass_pipeline.manifest.location import open_location

_PARQUET_SIGNATURE: Final = b"PAR1"
_DELIMITERS: Final = (",", ";", "\t")


@dataclass(frozen=True)
class Cells:
    """A table of text.

    Attributes:
        source: The file.
        place: What the index counts: `line` (the header is line 1) or `row` (from 1).
        frame: Text columns, cells and headings stripped; the index is the line or row number.
    """

    source: str
    place: str
    frame: pd.DataFrame


def read_cells(location: str, *, base: Path) -> Cells:
    """Read a CSV (UTF-8, with or without byte-order mark) or Parquet file as text.

    Args:
        location: A path or fsspec URL; a relative path is relative to `base`.
        base: See above.

    Raises:
        MissingInputError: There is no such file.
        LabelTableError: It is neither, a heading appears twice, or a line has too many or too few
            cells.
    """
    url = location if "://" in location else str(base / location)
    try:
        with open_location(location, base=base) as stream:
            content = stream.read()
    except (FileNotFoundError, IsADirectoryError):
        raise MissingInputError(what="label file", location=url, option="data.labels") from None
    if content.startswith(_PARQUET_SIGNATURE):
        return Cells(source=location, place="row", frame=_from_parquet(content, location))
    return Cells(source=location, place="line", frame=_from_csv(content, location))


def _from_csv(content: bytes, source: str) -> pd.DataFrame:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8 text: save the table as CSV (UTF-8)"
        raise LabelTableError(source, [problem]) from None
    heading = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=heading.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    rows, lines = [], [1]
    try:
        for row in reader:
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num + 1)
    except csv.Error as error:
        problem = f"line {lines[-1]}: {error}: is a quotation mark left open?"
        raise LabelTableError(source, [problem]) from None
    return _table(rows, lines, source)


def _table(rows: list[list[str]], lines: list[int], source: str) -> pd.DataFrame:
    header = rows[0] if rows else []
    filled = [(line, row) for line, row in zip(lines[1:], rows[1:], strict=False) if any(row)]
    problems = [f"line 1: column `{name}` appears twice" for name in _twice(header)]
    problems += [
        f"line {line}: {len(row)} cells, but the header has {len(header)}"
        for line, row in filled
        if len(row) != len(header)
    ]
    if problems:
        raise LabelTableError(source, problems)
    index = pd.Index([line for line, _ in filled], dtype="int64")
    return pd.DataFrame([row for _, row in filled], index=index, columns=header, dtype="str")


def _twice(header: list[str]) -> list[str]:
    named = sorted(name for name in header if name)
    return sorted({name for name, following in pairwise(named) if name == following})


def _from_parquet(content: bytes, source: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(BytesIO(content))
    except Exception as error:  # noqa: BLE001  # pyarrow has many kinds of errors for a damaged file
        raise LabelTableError(source, [f"it is not a readable Parquet file: {error}"]) from None
    if table.index.name is not None:
        table = table.reset_index()
    table.columns = [str(name).strip() for name in table.columns]
    table.index = pd.RangeIndex(1, len(table) + 1)
    try:
        return table.apply(_as_text).astype("str") if len(table.columns) else table
    except UnicodeDecodeError as error:
        problem = f"a cell holds bytes that are no UTF-8 text ({error.reason})"
        raise LabelTableError(source, [problem]) from None


def _as_text(column: "pd.Series[str]") -> "pd.Series[str]":
    """Cells as text, missing ones empty; a time at midnight is a date."""
    missing = column.isna()
    text = column.astype("str").str.strip().str.removesuffix(" 00:00:00")
    return text.mask(missing, "")
