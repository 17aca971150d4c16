"""A submission: one number a photo and target, in the rows and the order that were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import (
    MissingInputError,
    SubmissionColumnsError,
    SubmissionIdsError,
    SubmissionNumbersError,
)
from biomass_pipeline.manifest import image_id, pair, read_cells

_SAMPLE, _TARGET, _NAME = "sample_id", "target", "target_name"
_BETWEEN = "__"
# Sums of doubles of a few hundred grams are off by much less.
_ROUNDING = 1e-6


def read_order(location: str, *, base: Path) -> pd.DataFrame:
    """Read the file that a submission follows, as text.

    Args:
        location: CSV or Parquet, path or fsspec URL; a relative path is relative to `base`.
        base: See above.

    Raises:
        MissingInputError: There is no such file.
        LabelTableError: It is no table.
        SubmissionColumnsError: It has no column of ids.
    """
    try:
        frame = read_cells(location, base=base).frame
    except MissingInputError:
        raise MissingInputError(
            "file for the submission to follow", location, option="data.submission"
        ) from None
    if _SAMPLE not in frame:
        raise SubmissionColumnsError(location, list(map(str, frame.columns)))
    return frame.reset_index(drop=True)


def submission_table(
    predictions: pd.DataFrame, *, data: DataConfig, order: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Lay predictions out as a competition asks for them.

    Args:
        predictions: `image_id, target, y_pred`, a row a photo and target.
        data: The targets, their identities, and the column of photos' paths.
        order: The file to follow, as text: a column `sample_id` (`<photo>__<target>`), and where
            it has them the path of the photo and `target_name`, which are then believed instead.
            Without one, photos are in order of id and targets as configured.

    Returns:
        `sample_id, target`: the id as asked for, or `<image_id>__<target>`, and the number.

    Raises:
        SubmissionIdsError: Rows are asked for that nobody predicted, or twice, or too few of them.
        SubmissionNumbersError: A number is negative or not finite, or the targets of a photo do
            not add up.
    """
    names = sorted(set(map(str, predictions["image_id"])))
    y = predictions.set_index(["image_id", "target"])["y_pred"].reindex(
        pd.MultiIndex.from_product([names, data.target_names])
    )
    _check_numbers(y.to_numpy(dtype=float).reshape(len(names), len(data.target_names)), names, data)
    if order is None:
        asked = [_Row(f"{n}{_BETWEEN}{t}", n, t) for n in names for t in data.target_names]
    else:
        asked = _asked(order, names, data)
    wanted = pd.MultiIndex.from_arrays([[r.photo for r in asked], [r.target for r in asked]])
    samples = pd.Series([row.sample for row in asked], dtype="str")
    return pd.DataFrame({_SAMPLE: samples, _TARGET: y.reindex(wanted).to_numpy(dtype=float)})


@dataclass(frozen=True)
class _Row:
    """One row that is asked for, with the photo and target that it means."""

    sample: str
    photo: str
    target: str


def _asked(order: pd.DataFrame, known: Sequence[str], data: DataConfig) -> list[_Row]:
    """The rows of the file, each with its photo."""
    samples = order[_SAMPLE].astype("str").to_list()
    written = [sample.rpartition(_BETWEEN) for sample in samples]
    photos = [photo for photo, _, _ in written]
    if data.image_column in order:
        photos = [image_id(path) for path in order[data.image_column].astype("str")]
    targets = [target for _, _, target in written]
    if _NAME in order:
        targets = order[_NAME].astype("str").to_list()
    distinct = list(dict.fromkeys(photos))
    places, _ = pair(distinct, known)
    meant = {name: known[place] for name, place in zip(distinct, places, strict=True) if place >= 0}
    rows = [
        _Row(sample, meant.get(photo, ""), target)
        for sample, photo, target in zip(samples, photos, targets, strict=True)
    ]
    _check_ids(rows, known, data.target_names)
    return rows


def _check_ids(rows: Sequence[_Row], known: Sequence[str], targets: Sequence[str]) -> None:
    seen: set[tuple[str, str]] = set()
    twice = []
    for row in rows:
        if (row.photo, row.target) in seen and row.photo:
            twice.append(row.sample)
        seen.add((row.photo, row.target))
    unknown = [row.sample for row in rows if not row.photo or row.target not in targets]
    left = [
        f"{name}{_BETWEEN}{target}"
        for name in known
        for target in targets
        if (name, target) not in seen
    ]
    if unknown or left or twice:
        raise SubmissionIdsError(unpredicted=unknown, unasked=left, twice=twice)


def _check_numbers(y: NDArray[np.float64], names: Sequence[str], data: DataConfig) -> None:
    """Refuse numbers, shape (photo, target), that no photo can have."""
    columns = {name: y[:, place] for place, name in enumerate(data.target_names)}
    problems = [
        f"{target} of {names[i]} is {column[i]:g}"
        for target, column in columns.items()
        for i in np.flatnonzero(~np.isfinite(column) | (column < 0)).tolist()
    ]
    for name, parts in data.identities.items():
        total, added = columns[name], np.sum([columns[part] for part in parts], axis=0)
        problems += [
            f"{name} of {names[i]} is {total[i]:g}, but {' + '.join(parts)} is {added[i]:g}"
            for i in np.flatnonzero(
                np.abs(total - added) > _ROUNDING * np.maximum(1.0, total)
            ).tolist()
        ]
    if problems:
        raise SubmissionNumbersError(problems)
