"""What a table says of photos beside their pixels: covariates, dates, paddocks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import MissingInputError, PhotoTableError, UnknownPhotosError
from biomass_pipeline.manifest import Cells, read_cells
from biomass_pipeline.manifest.pairing import NO_PHOTO, pair
from biomass_pipeline.manifest.values import iso_dates

_PHOTO_COLUMNS: Final = ("image_id", "image_path", "path", "photo", "image", "filename")
_SHOWN: Final = 5


def read_photo_table(
    location: str, *, base: Path, data: DataConfig, columns: Sequence[str]
) -> pd.DataFrame:
    """Read the columns of a table that are asked for, a row a photo.

    Args:
        location: CSV or Parquet, path or fsspec URL; a relative path is relative to `base`.
        base: See above.
        data: Names the column of photos, and the one of dates, which become ISO dates.
        columns: Those that must be there.

    Returns:
        Column `photo`, as the table names it, and these columns, as text. Rows that repeat a photo
        with the same values (a long label file has one a target) are joined.

    Raises:
        MissingInputError: There is no such file.
        LabelTableError: It is no table.
        PhotoTableError: It names no photos, lacks a column, has rows of one photo that disagree,
            or a date that is none.
    """
    cells = _cells(location, base)
    found = [str(name) for name in cells.frame.columns]
    wanted = (data.image_column, *_PHOTO_COLUMNS)
    photo = next((name for name in wanted if name in found), None)
    if photo is None:
        raise PhotoTableError(location, "no column names the photos", found)
    if lacking := [name for name in columns if name not in found]:
        raise PhotoTableError(location, f"it has no column {' and no '.join(lacking)}", found)
    kept = [name for name in dict.fromkeys(columns) if name != photo]
    table = cells.frame[[photo, *kept]].copy()
    if data.date_column in kept:
        table[data.date_column] = _dates(table[data.date_column], cells)
    table = table.drop_duplicates()
    if (double := table[photo].duplicated()).any():
        line, name = table.index[double][0], table[photo][double].iloc[0]
        problem = f"{cells.place} {line} says something else of {name} than a row before"
        raise PhotoTableError(location, problem, found)
    named = {photo: "photo"} | ({"photo": "photo_in_table"} if photo != "photo" else {})
    return table.rename(columns=named).reset_index(drop=True)


def for_photos(table: pd.DataFrame, paths: Mapping[str, str], *, source: str) -> pd.DataFrame:
    """The table's rows by photo.

    Args:
        table: As `read_photo_table` gives it.
        paths: The photos' paths by id.
        source: The table's file.

    Returns:
        Column `image_id` and the table's, for photos that it has; other rows are left out.

    Raises:
        PhotoTableError: A row could mean several photos, or two rows mean the same one.
    """
    found, problems = pair(table["photo"].tolist(), list(paths.values()))
    if problems:
        listed = "; ".join([problems[i] for i in sorted(problems)][:_SHOWN])
        raise PhotoTableError(source, listed, list(map(str, table.columns)))
    ids = list(paths)
    known = [place != NO_PHOTO for place in found]
    rows = table[known].drop(columns="photo").reset_index(drop=True)
    rows.insert(0, "image_id", [ids[place] for place in found if place != NO_PHOTO])
    return rows


def groups_of(
    table: pd.DataFrame, image_ids: Sequence[str], *, by: str, source: str
) -> "pd.Series[str]":
    """What a column says of each photo, by id.

    Args:
        table: As `for_photos` gives it.
        image_ids: The photos.
        by: The column.
        source: The table's file.

    Raises:
        UnknownPhotosError: It says nothing of a photo.
    """
    values = table.set_index("image_id")[by].reindex(list(image_ids)).fillna("").astype("str")
    if lacking := [str(name) for name in values.index[values == ""]]:
        raise UnknownPhotosError(source, column=by, names=lacking)
    return values


def folders_of(paths: Mapping[str, str]) -> "pd.Series[str]":
    """The folder of each photo, by id; a dot for those at the top."""
    folders = {name: path.rpartition("/")[0] or "." for name, path in paths.items()}
    return pd.Series(folders, dtype="str")


def _cells(location: str, base: Path) -> Cells:
    try:
        return read_cells(location, base=base)
    except MissingInputError:
        raise MissingInputError("table of photos", location, option="--table") from None


def _dates(column: "pd.Series[str]", cells: Cells) -> "pd.Series[str]":
    problems: list[str] = []

    def report(position: int, text: str) -> None:
        problems.append(f"{cells.place} {column.index[position]}: {text}")

    dates = iso_dates(column, report=report)
    if problems:
        listed = "; ".join(problems[:_SHOWN])
        raise PhotoTableError(cells.source, listed, list(map(str, cells.frame.columns)))
    return dates
