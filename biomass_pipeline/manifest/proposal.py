"""A first configuration, read off a folder of photos and a label file."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from biomass_pipeline.config import CSIRO_IDENTITIES, CSIRO_TARGETS
from biomass_pipeline.errors import UnclearLabelsError

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
# Columns that describe a photo rather than being weighed; compared in lower case.
_COVARIATES = ("ndvi", "height", "lat", "lon", "year", "plot", "id", "temp", "elevation")
_GROUP_HINTS = ("state", "site", "farm", "location", "date", "session", "block", "plot")
# A sum of two others counts as an identity when this share of the rows agrees within 1 %.
_IDENTITY_SHARE, _IDENTITY_SLACK = 0.95, 0.01
_DINOV2_TILE_PX, _DINOV2_STRIDE_PX, _PATCH_PX = 518, 400, 14
# A smaller photo still gives two tiles a side when a tile takes this share of the short side.
_TILE_SHARE, _STRIDE_SHARE = 0.6, 0.75


def propose_data(
    cells: pd.DataFrame, *, targets: Sequence[str] = (), groups: Sequence[str] = ()
) -> dict[str, Any]:
    """The `data` section that a label file asks for, without the two locations.

    Args:
        cells: The label file, every cell as text.
        targets: Names that the user gave; found in the file otherwise.
        groups: Group columns that the user gave; found in the file otherwise.

    Raises:
        UnclearLabelsError: No image column, no target or no group column can be found.
    """
    image_column = _image_column(cells)
    long = {"target_name", "target"} <= set(cells.columns)
    values = _long_values(cells, image_column) if long else _wide_values(cells, image_column)
    names = list(targets) or list(values.columns)
    if unknown := sorted(set(names) - set(values.columns)):
        raise UnclearLabelsError(f"no target column {unknown}", [*cells.columns])
    if not names:
        raise UnclearLabelsError("no column of numbers to predict", [*cells.columns])
    date = next((c for c in cells.columns if "date" in c.lower()), None)
    csiro = {target.name: target for target in CSIRO_TARGETS}
    if set(names) == set(csiro):
        weights = {name: csiro[name].weight for name in names}
        identities = {name: list(parts) for name, parts in CSIRO_IDENTITIES.items()}
    else:
        weights = dict.fromkeys(names, 1.0)
        identities = _identities(values[names])
    return {
        "layout": "long" if long else "wide",
        "image_column": image_column,
        "date_column": date,
        "targets": [
            {"name": name, "weight": weights[name], "unit": _unit(name, values[name])}
            for name in names
        ],
        "identities": identities,
        "group_columns": list(groups) or _group_columns(cells, date),
    }


def propose_tiling(height_px: int, width_px: int) -> dict[str, Any]:
    """Windows for photos of this size: 518/400 where two fit a side, else smaller ones.

    Sides are multiples of 14, the patch of DINOv2 networks, so that the backbone can change.
    """
    short_px = min(height_px, width_px)
    side_px = int(short_px * _TILE_SHARE) // _PATCH_PX * _PATCH_PX
    if side_px >= _DINOV2_TILE_PX:
        return {"tile_px": _DINOV2_TILE_PX, "stride_px": _DINOV2_STRIDE_PX}
    side_px = max(side_px, _PATCH_PX)
    return {"tile_px": side_px, "stride_px": max(int(side_px * _STRIDE_SHARE), 1)}


def n_groups(cells: pd.DataFrame, columns: Sequence[str]) -> int:
    """How many groups the file has; more than one is needed."""
    return int(cells[list(columns)].drop_duplicates().shape[0])


def _image_column(cells: pd.DataFrame) -> str:
    for name in cells.columns:
        suffixes = cells[name].astype(str).map(lambda text: PurePosixPath(text).suffix.lower())
        if len(suffixes) and suffixes.isin(_IMAGE_SUFFIXES).mean() > 0.5:  # noqa: PLR2004  # most
            return str(name)
    raise UnclearLabelsError("no column of image paths", [*cells.columns])


def _long_values(cells: pd.DataFrame, image_column: str) -> pd.DataFrame:
    first = cells.drop_duplicates([image_column, "target_name"])
    wide = first.set_index([image_column, "target_name"])["target"].unstack()  # noqa: PD010  # text
    names = list(dict.fromkeys(first["target_name"]))
    return pd.DataFrame({name: pd.to_numeric(wide[name], errors="coerce") for name in names})


def _wide_values(cells: pd.DataFrame, image_column: str) -> pd.DataFrame:
    numbers = cells.drop(columns=image_column).apply(pd.to_numeric, errors="coerce")
    usable = [
        name
        for name in numbers.columns
        if numbers[name].notna().mean() > 0.5  # noqa: PLR2004  # most cells are numbers
        and numbers[name].min() < numbers[name].max()
        and not any(hint in str(name).lower().split("_") for hint in _COVARIATES)
    ]
    return pd.DataFrame(numbers[usable])


def _identities(values: pd.DataFrame) -> dict[str, list[str]]:
    """Sums of two that hold for nearly every row, smallest total first."""
    found: dict[str, list[str]] = {}
    for total in values.mean().sort_values().index:
        others = [
            name for name in values.columns if name != total and name not in found.get(name, [])
        ]
        for first, second in combinations(others, 2):
            gap = (values[first] + values[second] - values[total]).abs()
            if (gap <= _IDENTITY_SLACK * values[total].abs()).mean() >= _IDENTITY_SHARE:
                found[str(total)] = [str(first), str(second)]
                break
    return found


def _group_columns(cells: pd.DataFrame, date: str | None) -> list[str]:
    if date is not None:
        return ["State", date] if "State" in cells.columns else [date]
    for hint in _GROUP_HINTS:
        for name in cells.columns:
            if hint in name.lower():
                return [str(name)]
    raise UnclearLabelsError("no date or site column to group by", [*cells.columns])


def _unit(name: str, values: pd.Series) -> str:
    if name.endswith("_g") or any(word in name.lower() for word in ("mass", "weight", "gram")):
        return "g"
    return "fraction" if values.max() <= 1 else "unit"
