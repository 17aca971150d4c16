"""Photos unlike the training photos, and the photos that are predicted worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.table import Head, Row, Table, count, number, share

# How many are shown.
WORST: Final = 20
# A larger error than this many times that of the others is worth a warning.
_WORSE: Final = 1.2


def photos_by_cost(oof: pd.DataFrame, *, data: DataConfig, model: str) -> "pd.Series[float]":
    """What each photo costs the score, its weighted squared errors by image id, the most first."""
    rows = oof[oof["model"] == model]
    cost = rows["target"].map(data.target_weights) * (rows["y_pred"] - rows["y_true"]) ** 2
    return cost.groupby(rows["image_id"]).sum().sort_values(ascending=False, kind="stable")


@dataclass(frozen=True)
class WorstPhoto:
    """One of the photos that cost the score most.

    Attributes:
        image_id: Its name.
        group: Where it belongs.
        lost: Its share of all squared errors.
        measured: Of the heaviest target.
        predicted: Likewise.
        low: The lower end of the interval; NaN without one.
        high: Likewise.
        unlike: Of 100 known photos, how many are more like the others; NaN if it is not known.
    """

    image_id: str
    group: str
    lost: float
    measured: float
    predicted: float
    low: float
    high: float
    unlike: float

    def sentence(self, unit: str) -> str:
        """What went wrong, in words."""
        error = self.predicted - self.measured
        way = "too high" if error > 0 else "too low"
        outside = not self.low <= self.measured <= self.high
        inside = (
            ""
            if np.isnan(self.low)
            else (", outside its interval" if outside else ", inside its interval")
        )
        return f"Predicted {number(abs(error))} {unit} {way}{inside}."


def worst_photos(oof: pd.DataFrame, *, data: DataConfig, model: str) -> list[WorstPhoto]:
    """Find the photos whose predictions cost the most of the score, with how unlike they are.

    Args:
        oof: Out-of-fold predictions: `image_id, group, target, y_true, y_pred, y_lower, y_upper,
            model` and `ood_percentile` if it is known.
        data: The targets and their weights.
        model: Whose predictions.
    """
    by_photo = photos_by_cost(oof, data=data, model=model)
    rows = oof[(oof["model"] == model) & (oof["target"] == data.heaviest_target)]
    shown = rows.set_index("image_id").reindex(by_photo.index[:WORST])
    if "ood_percentile" not in shown:
        shown = shown.assign(ood_percentile=np.nan)
    whole = float(by_photo.sum())
    numbers = shown[list(_NUMBERS)].to_numpy(dtype=float).tolist()
    lost = (by_photo / whole if whole else by_photo * np.nan).tolist()
    return [
        WorstPhoto(str(image_id), str(group), cost, *line)
        for image_id, group, cost, line in zip(
            shown.index, shown["group"], lost, numbers, strict=False
        )
    ]


_NUMBERS: Final = ("y_true", "y_pred", "y_lower", "y_upper", "ood_percentile")


def worst_table(worst: Sequence[WorstPhoto], *, data: DataConfig) -> Table:
    """The same as a table."""
    return Table(
        f"The {len(worst)} photos that cost the score most: their share of all squared errors, "
        f"{data.heaviest_target}, and how unlike the training photos they are: of 100 known "
        f"photos, so many are more like the others.",
        ("Photo", "Group", "Share of errors", "Measured", "Predicted", "Unlike, of 100"),
        tuple(
            Row(
                (Head(each.image_id), Head(each.group)),
                (
                    share(each.lost),
                    number(each.measured),
                    number(each.predicted),
                    number(each.unlike, digits=2),
                ),
            )
            for each in worst
        ),
    )


def likeness_sentence(found: Mapping[str, Any] | None, *, data: DataConfig) -> str:
    """Whether photos unlike the training photos are predicted worse."""
    if found is None:
        return (
            "How unlike the training photos each photo is was not measured in this run, so photos "
            "of something new are not told apart."
        )
    limit, target = 100 - found["percentile"], found["target"]
    told = (
        f"{count(found['n'])} of {count(found['n_known'])} photos ({share(found['share'])}) are "
        f"less like their training photos than all but {limit:g} in 100 known ones"
    )
    if found["rmse"] is None or found["rmse_within"] is None:
        return f"{told}."
    unit = next((t.unit for t in data.targets if t.name == target), "")
    worse = found["rmse"] > _WORSE * found["rmse_within"]
    return (
        f"{told}. Their error in {target} is {number(found['rmse'])} {unit}, that of the others "
        f"{number(found['rmse_within'])} {unit}: "
        + ("trust such photos less." if worse else "they are predicted about as well.")
    )
