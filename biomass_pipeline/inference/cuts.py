"""A site's table of cuts, read once and checked whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import (
    CutCountError,
    CutsTableError,
    LabelTableError,
    MissingInputError,
    UnknownLayoutError,
)
from biomass_pipeline.inference.weighing import Weighing
from biomass_pipeline.manifest.cells import Cells, read_cells
from biomass_pipeline.manifest.folder import image_id
from biomass_pipeline.manifest.pairing import NO_PHOTO, pair
from biomass_pipeline.manifest.values import masses
from biomass_pipeline.mil.targets import TargetSpec

# Below, a shift is not told from chance; above, training on the cuts is the better use of them.
LEAST_CUTS, MOST_CUTS = 3, 300

_IMAGE_COLUMNS: Final = ("image_path", "image_id", "path", "photo", "image", "filename")
_NAME, _VALUE = "target_name", "target"
_NO_PHOTO: Final = "no such photo among those predicted"
_NO_MASS: Final = "no mass is given"
_HINT = (
    "A row a photo: its path or id in `{column}` (or `image_path`, `image_id`, `path`), and masses "
    "in columns {targets}, empty where not weighed. Or a row a photo and target, with "
    "`target_name` and `target`."
)


@dataclass(frozen=True)
class CutSheet:
    """Cuts that can be used, and what was left out of them.

    Attributes:
        table: One row a cut: `image_id, path`, all targets (float64, NaN where not weighed).
        left_out: Of each photo that is not used, its name in the file and why.
        warnings: What is odd, but not wrong enough to stop.
    """

    table: pd.DataFrame
    left_out: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def read_cuts(
    location: str,
    photos: Sequence[str],
    *,
    spec: DataConfig,
    base: Path,
    refused: Mapping[str, str] | None = None,
) -> CutSheet:
    """Read weighed cuts in either layout and find their photos.

    Any target may be missing of any cut: what was weighed is used for what it tells. A row without
    a mass, and one whose photo was not predicted, is left out and listed.

    Args:
        location: CSV or Parquet, path or fsspec URL; a relative path is relative to `base`.
        photos: Paths of the predicted photos, as the manifest has them.
        spec: Targets, identities and their tolerances, the images' column.
        base: See above.
        refused: Of photos that could not be predicted, by path, why.

    Raises:
        MissingInputError: There is no such file.
        UnknownLayoutError: It has no column of photos, or none of masses.
        CutsTableError: With every problem by line and column: a mass that is negative, infinite or
            not a number, an unknown target, a photo that stands there twice or could be several,
            masses that cannot add up.
        CutCountError: Fewer than 3 cuts are usable, or more than 300.
    """
    cells = _cells(location, base=base)
    reading = _Reading(cells, spec)
    table = reading.table()
    found = reading.pair(table, [*photos, *(refused or {})])
    reading.compare(table)
    if reading.problems:
        raise CutsTableError(location, [text for _, text in sorted(reading.problems)])
    reasons = [
        _reason(row, path, refused or {}) for row, path in zip(_empty(table), found, strict=True)
    ]
    usable = np.array([not reason for reason in reasons], dtype=bool)
    left_out = [(str(n), r) for n, r in zip(table.index, reasons, strict=True) if r]
    if not LEAST_CUTS <= usable.sum() <= MOST_CUTS:
        limits = (LEAST_CUTS, MOST_CUTS)
        raise CutCountError(location, int(usable.sum()), limits=limits, left_out=left_out)
    kept = table[usable].reset_index(drop=True)
    paths = [path for path, good in zip(found, usable, strict=True) if good]
    ids = [image_id(path) for path in paths]
    return CutSheet(
        table=pd.concat([pd.DataFrame({"image_id": ids, "path": paths}), kept], axis=1),
        left_out=tuple(left_out),
        warnings=tuple(reading.warnings),
    )


class _Reading:
    """One pass over a table of cuts; problems are collected before anything is raised."""

    def __init__(self, cells: Cells, spec: DataConfig) -> None:
        self._cells, self._spec = cells, spec
        self.problems: list[tuple[int, str]] = []
        self.warnings: list[str] = []
        self._lines: list[int] = []

    def table(self) -> pd.DataFrame:
        """All targets by the photo's name in the file, NaN where not weighed.

        Raises:
            UnknownLayoutError: It has no column of photos, or none of masses.
        """
        frame, spec = self._cells.frame, self._spec
        columns = {str(name) for name in frame.columns}
        image = next((n for n in (spec.image_column, *_IMAGE_COLUMNS) if n in columns), None)
        long = {_NAME, _VALUE} <= columns
        if image is None or not (long or columns & {*spec.target_names}):
            what = "no column names the photos" if image is None else "no column holds masses"
            hint = _HINT.format(column=spec.image_column, targets=", ".join(spec.target_names))
            raise UnknownLayoutError(self._cells.source, what, sorted(columns), hint=hint)
        for line in frame.index[frame[image] == ""]:
            self._add(line, f", column `{image}`: is empty")
        frame = frame[frame[image] != ""]
        found = self._long(frame, image) if long else self._wide(frame, image)
        return found.reindex(columns=list(spec.target_names)).astype("float64")

    def pair(self, table: pd.DataFrame, photos: Sequence[str]) -> list[str]:
        """The photo's path of each row; empty where there is none."""
        found, problems = pair([str(name) for name in table.index], photos)
        for position, text in problems.items():
            self._add(self._lines[position], f": {text}")
        return [photos[i] if i != NO_PHOTO else "" for i in found]

    def compare(self, table: pd.DataFrame) -> None:
        """Note cuts whose masses cannot add up."""
        spec, targets = self._spec, TargetSpec.from_config(self._spec)
        y = table.to_numpy(dtype=np.float64)
        rows = [f"{number:09d}" for number in range(len(y))]
        apart = Weighing(tuple(rows), y, targets).contradictions()
        for number in np.flatnonzero(apart > spec.identity_tolerance).tolist():
            masses_of = ", ".join(
                f"{name} {value:g}" for name, value in table.iloc[number].dropna().items()
            )
            sums = "; ".join(f"{n} = {' + '.join(p)}" for n, p in spec.identities.items())
            text = (
                f": the masses of `{table.index[number]}` ({masses_of}) miss {sums} by up to "
                f"{apart[number]:.4g}"
            )
            if apart[number] > spec.identity_gross_fraction * np.nanmax(y[number]):
                self._add(self._lines[number], text)
            else:
                self.warnings.append(f"{self._cells.place} {self._lines[number]}{text}")

    def _wide(self, frame: pd.DataFrame, image: str) -> pd.DataFrame:
        self._repeated(frame, [image])
        frame = frame.drop_duplicates(image)
        self._lines = [int(line) for line in frame.index]
        targets = [name for name in self._spec.target_names if name in frame.columns]
        others = [str(n) for n in frame.columns if n not in {image, *targets} and str(n)]
        if others:
            self.warnings.append(f"columns that are no target are left out: {', '.join(others)}")
        values = {name: self._masses(frame, name).to_numpy() for name in targets}
        return pd.DataFrame(values, index=pd.Index(frame[image].astype("str")))

    def _long(self, frame: pd.DataFrame, image: str) -> pd.DataFrame:
        known = ", ".join(self._spec.target_names)
        unknown = ~frame[_NAME].isin(self._spec.target_names)
        for line, name in frame.loc[unknown, _NAME].items():
            self._add(line, f", column `{_NAME}`: `{name}` is not a target ({known})")
        frame = frame[~unknown]
        self._repeated(frame, [image, _NAME])
        frame = frame.drop_duplicates([image, _NAME])
        first = frame.drop_duplicates(image)
        self._lines = [int(line) for line in first.index]
        values = self._masses(frame, _VALUE)
        columns: dict[str, pd.Series[float]] = {}
        for name in self._spec.target_names:
            own = frame[_NAME] == name
            columns[name] = pd.Series(values[own].to_numpy(), index=frame.loc[own, image])
        return pd.DataFrame(columns).reindex(first[image].tolist())

    def _masses(self, frame: pd.DataFrame, column: str) -> "pd.Series[float]":
        """Masses of a column; an empty cell was not weighed."""
        given = frame[frame[column] != ""]

        def report(position: int, text: str) -> None:
            self._add(given.index[position], f", column `{column}`: {text}")

        return masses(given[column], report=report).reindex(frame.index)

    def _repeated(self, frame: pd.DataFrame, columns: list[str]) -> None:
        for line, row in frame[frame.duplicated(columns)].iterrows():
            what = " and ".join(f"`{row[name]}`" for name in columns)
            self._add(line, f": {what} appears a second time")

    def _add(self, line: object, text: str) -> None:
        number = int(str(line))
        self.problems.append((number, f"{self._cells.place} {number}{text}"))


def _cells(location: str, *, base: Path) -> Cells:
    try:
        return read_cells(location, base=base)
    except MissingInputError:
        raise MissingInputError("table of cuts", location, option="--cuts") from None
    except LabelTableError as error:
        raise CutsTableError(location, error.issues) from None


def _empty(table: pd.DataFrame) -> list[bool]:
    """Whether a row holds no mass at all."""
    return [bool(empty) for empty in table.isna().all(axis=1)]


def _reason(empty: bool, path: str, refused: Mapping[str, str]) -> str:  # noqa: FBT001  # a cell of a column
    """Why a row is left out; empty where it is not."""
    if not path:
        return _NO_PHOTO
    return refused.get(path, _NO_MASS if empty else "")
