"""A first configuration, read off a folder of photos and a label file."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from biomass_pipeline.config import CSIRO_IDENTITIES, CSIRO_TARGETS
from biomass_pipeline.errors import UnclearLabelsError
from biomass_pipeline.manifest.folder import IMAGE_SUFFIXES
from biomass_pipeline.manifest.values import iso_dates

# Words in the name of a column of numbers that describes a photo rather than being weighed.
# fmt: off
_COVARIATES = frozenset({
    "block", "camera", "col", "column", "day", "depth", "doy", "elevation", "height", "hour", "id",
    "index", "lat", "latitude", "lon", "longitude", "month", "ndvi", "number", "plot", "quadrat",
    "rep", "replicate", "row", "sample", "site", "temp", "width", "year",
})
# fmt: on
_SITES = ("state", "site", "farm", "location")
_OTHER_GROUPS = ("session", "block", "plot")
_LONG = frozenset({"target_name", "target"})
# A sum counts as an identity when this share of the rows agrees within 1 % of it.
_IDENTITY_SHARE, _IDENTITY_SLACK = 0.95, 0.01
_MOST_PARTS = 3
_DINOV2_TILE_PX, _DINOV2_STRIDE_PX, _PATCH_PX = 518, 400, 14
# A smaller photo still gives two tiles a side when a tile takes this share of the short side,
# unless all of it fits into one.
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
    long = set(cells.columns) >= _LONG
    values = _long_values(cells, image_column) if long else _wide_values(cells, image_column)
    dates = _date_columns(cells)
    names = _target_names(values, asked=targets, taken={*dates, *groups}, found=cells)
    weights, identities = _metric(values[names])
    readable = [name for name in dates if _is_date(cells[name])]
    return {
        "layout": "long" if long else "wide",
        "image_column": image_column,
        "date_column": next(iter(readable), None),
        "targets": [
            {"name": name, "weight": weights[name], "unit": _unit(name, values[name])}
            for name in names
        ],
        "identities": identities,
        "group_columns": _group_columns(cells, asked=groups, dates=readable or dates),
    }


def propose_tiling(height_px: int, width_px: int) -> dict[str, Any]:
    """Windows for photos of this size: 518/400 where two fit a side, else smaller ones.

    A photo that fits into one window of 518 px is seen whole, as a tile of a larger photo would be.
    Sides are multiples of 14, the patch of DINOv2 networks, so that the backbone can change.
    """
    short_px = min(height_px, width_px)
    share = 1.0 if max(height_px, width_px) <= _DINOV2_TILE_PX else _TILE_SHARE
    side_px = int(short_px * share) // _PATCH_PX * _PATCH_PX
    if side_px >= _DINOV2_TILE_PX:
        return {"tile_px": _DINOV2_TILE_PX, "stride_px": _DINOV2_STRIDE_PX}
    side_px = max(side_px, _PATCH_PX)
    return {"tile_px": side_px, "stride_px": max(int(side_px * _STRIDE_SHARE), 1)}


def n_groups(cells: pd.DataFrame, data: Mapping[str, Any]) -> int:
    """How many groups a proposed `data` section makes; two spellings of a day are one."""
    table = cells[list(data["group_columns"])]
    date = data["date_column"]
    if date in table.columns:
        table = table.assign(**{date: iso_dates(table[date], report=_ignored)})
    return int(table.drop_duplicates().shape[0])


def _image_column(cells: pd.DataFrame) -> str:
    for name in cells.columns:
        suffixes = cells[name].astype(str).map(lambda text: PurePosixPath(text).suffix.lower())
        if len(suffixes) and suffixes.isin(IMAGE_SUFFIXES).mean() > 0.5:  # noqa: PLR2004  # most
            return str(name)
    raise UnclearLabelsError("no column of image paths", [*cells.columns])


def _long_values(cells: pd.DataFrame, image_column: str) -> pd.DataFrame:
    first = cells[cells["target_name"] != ""].drop_duplicates([image_column, "target_name"])
    wide = first.pivot_table(
        index=image_column, columns="target_name", values="target", aggfunc="first"
    )
    names = list(dict.fromkeys(first["target_name"]))
    return pd.DataFrame({name: pd.to_numeric(wide[name], errors="coerce") for name in names})


def _wide_values(cells: pd.DataFrame, image_column: str) -> pd.DataFrame:
    numbers = cells.drop(columns=image_column).apply(pd.to_numeric, errors="coerce")
    filled = [name for name in numbers.columns if numbers[name].notna().mean() > 0.5]  # noqa: PLR2004  # most
    return pd.DataFrame(numbers[filled])


def _target_names(
    values: pd.DataFrame, *, asked: Sequence[str], taken: set[str], found: pd.DataFrame
) -> list[str]:
    """Those that the user asked for, else every column that varies and looks weighed."""
    columns = [str(name) for name in found.columns]
    if unknown := [name for name in asked if name not in values.columns]:
        raise UnclearLabelsError(f"no numbers called {' or '.join(unknown)} to predict", columns)
    names = list(asked) or [
        str(name)
        for name in values.columns
        if 0 <= values[name].min() < values[name].max()
        and name not in taken
        and _COVARIATES.isdisjoint(str(name).lower().split("_"))
    ]
    if "target_name" in columns and "target" not in columns:
        problem = "no `target` column, as in the test file of a competition"
        raise UnclearLabelsError(problem, columns)
    if not names:
        raise UnclearLabelsError(
            "no column of numbers to predict that differ and are never negative", columns
        )
    return names


def _metric(values: pd.DataFrame) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Weights and identities: those of the CSIRO targets, or what the numbers say."""
    names = [str(name) for name in values.columns]
    known = {target.name: target.weight for target in CSIRO_TARGETS}
    if set(names) <= set(known):
        sums = {
            total: list(parts)
            for total, parts in CSIRO_IDENTITIES.items()
            if {total, *parts} <= set(names)
        }
        return {name: known[name] for name in names}, sums
    return dict.fromkeys(names, 1.0), _identities(values)


def _identities(values: pd.DataFrame) -> dict[str, list[str]]:
    """Sums that hold for nearly every row, smallest total first.

    The parts of a sum have a smaller mean than it, so that no circle can arise.
    """
    means = values.mean().sort_values()
    found: dict[str, list[str]] = {}
    for place, total in enumerate(means.index):
        smaller = [
            name for name in means.index[:place] if means[name] > _IDENTITY_SLACK * means[total]
        ]
        sums = (
            parts
            for count in range(2, _MOST_PARTS + 1)
            for parts in combinations(smaller, count)
            if _adds_up(values, list(parts), total=total)
        )
        if parts := next(sums, None):
            found[str(total)] = [str(name) for name in values.columns if name in parts]
    return found


def _adds_up(values: pd.DataFrame, parts: list[str], *, total: str) -> bool:
    """Whether the parts make the total wherever there is any."""
    rows = values[[*parts, total]].dropna()
    rows = rows[rows[total] > 0]
    gap = (rows[parts].sum(axis=1) - rows[total]).abs()
    return len(rows) > 0 and bool((gap <= _IDENTITY_SLACK * rows[total]).mean() >= _IDENTITY_SHARE)


def _date_columns(cells: pd.DataFrame) -> list[str]:
    return [str(name) for name in cells.columns if "date" in str(name).lower()]


def _is_date(column: "pd.Series[str]") -> bool:
    wrong: list[int] = []
    iso_dates(column, report=lambda position, _: wrong.append(position))
    return not wrong


def _group_columns(cells: pd.DataFrame, *, asked: Sequence[str], dates: Sequence[str]) -> list[str]:
    """Those that the user asked for, else place and date of the visit, else what there is."""
    columns = [str(name) for name in cells.columns]
    if unknown := [name for name in asked if name not in columns]:
        raise UnclearLabelsError(f"no column {' or '.join(unknown)} to group by", columns)
    site = _first_like(columns, _SITES)
    visits = [*site, *dates[:1]]
    wishes = [list(asked)] if asked else [visits, _first_like(columns, _OTHER_GROUPS)]
    for wish in wishes:
        if wish and len(cells[wish].drop_duplicates()) > 1:
            return wish
    raise UnclearLabelsError("no date or site column with two groups or more", columns)


def _first_like(columns: Sequence[str], hints: Sequence[str]) -> list[str]:
    """The column whose name holds the first of the hints that any name holds."""
    found = [name for hint in hints for name in columns if hint in name.lower()]
    return found[:1]


def _unit(name: str, values: "pd.Series[float]") -> str:
    words = name.lower().split("_")
    if "kg" in words:
        return "kg"
    if words[-1] == "g" or any(word in name.lower() for word in ("mass", "weight", "gram")):
        return "g"
    if words[-1] in {"percent", "pct"}:
        return "percent"
    return "fraction" if values.max() <= 1 else "unit"


def _ignored(position: int, text: str) -> None:
    """A cell that is no date is the run's business, not the proposal's."""
