"""Labels that are unlike their group's, or groups unlike the others: typing and unit mistakes."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation.finding import Finding, listed

Floats = NDArray[np.float64]
# What is unlike, its group, the target, its value, the usual one, and how many sd are between.
Case = tuple[str, str, str, float, float, float]

# Robust standard deviations. In 120 simulated surveys, whose photos of a visit differ by a factor
# of 1.6 (one sd), 2.5 % had a photo beyond and none a group; of totals with the decimal point one
# place too far to the right 73 % were beyond.
_LIMIT: Final = 8.0
_SMALLEST_GROUP: Final = 4
_FEWEST_GROUPS: Final = 6
_TO_SD: Final = 1.4826  # of a normal distribution, from its median absolute deviation
# A group of which half the labels are alike has no spread: a little of its level takes its place.
_SPREAD_FLOOR: Final = 0.05


def check_label_outliers(labels: pd.DataFrame, data: DataConfig) -> Finding:
    """Look for photos unlike the rest of their group, and for groups unlike the others.

    A zero is a measurement like any other, so it takes no part: components come and go. Cube
    roots of positive masses are nearly symmetric (Wilson and Hilferty 1931). A photo is compared
    with the median of its group, in units of what photos of all groups differ by from theirs; a
    group's median of the heaviest target with all groups', as logarithms.

    Args:
        labels: One row a photo: `image_id, group` and the targets.
        data: Targets.
    """
    rows = [
        row
        for target in data.targets
        for row in _of_photos(labels, target.name, limit=target.detection_limit)
    ]
    rows += _of_groups(labels, data.heaviest_target)
    table = pd.DataFrame(rows, columns=["what", "group", "target", "value", "usual", "sds"])
    table = table.sort_values("sds", ascending=False, kind="stable", ignore_index=True)
    told = f"{len(table)} labels are more than {_LIMIT:g} robust sd from what is usual beside them"
    advice = (
        f": {listed(table['what'].tolist())}. To do: compare them with the field book."
        if len(table)
        else "."
    )
    facts = {"photos": len(labels), "limit_sd": _LIMIT}
    return Finding(not len(table), told + advice, table, facts)


def _of_photos(labels: pd.DataFrame, target: str, *, limit: float) -> list[Case]:
    found = labels[labels[target] > limit]
    some = found[found.groupby("group")["image_id"].transform("size") >= _SMALLEST_GROUP]
    root = np.cbrt(some[target])
    usual = root.groupby(some["group"]).transform("median").to_numpy(dtype=float)
    apart = np.abs(root.to_numpy(dtype=float) - usual)
    spread = _spread(apart, usual)
    far = np.flatnonzero(apart > _LIMIT * spread)
    return [
        (
            str(some["image_id"].iloc[i]),
            str(some["group"].iloc[i]),
            target,
            float(some[target].iloc[i]),
            float(usual[i] ** 3),
            float(apart[i] / spread[i]),
        )
        for i in far
    ]


def _spread(apart: Floats, level: Floats) -> Floats:
    """The robust sd of all photos, or a share of a photo's own level where that is larger."""
    common = _TO_SD * float(np.median(apart)) if len(apart) else 0.0
    return np.maximum(common, _SPREAD_FLOOR * level)


def _of_groups(labels: pd.DataFrame, target: str) -> list[Case]:
    medians = labels[labels[target] > 0].groupby("group")[target].median()
    if len(medians) < _FEWEST_GROUPS:
        return []
    level = np.log(medians.to_numpy(dtype=float))
    centre = float(np.median(level))
    apart = np.abs(level - centre)
    spread = max(_TO_SD * float(np.median(apart)), _SPREAD_FLOOR)
    return [
        (
            f"group {name}",
            str(name),
            target,
            float(np.exp(level[i])),
            float(np.exp(centre)),
            apart[i] / spread,
        )
        for i, name in enumerate(medians.index)
        if apart[i] > _LIMIT * spread
    ]
