"""Photos unlike the training photos, and the photos that are predicted worst."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.table import Head, Row, Table, count, number, share

_SHOWN: Final = 15
# A larger error than this many times that of the others is worth a warning.
_WORSE: Final = 1.2


def worst_photos(oof: pd.DataFrame, *, data: DataConfig, model: str) -> Table:
    """The photos whose predictions cost the most of the score, with how unlike they are.

    Args:
        oof: Out-of-fold predictions: `image_id, group, target, y_true, y_pred, model` and
            `ood_percentile` if it is known.
        data: The targets and their weights.
        model: Whose predictions.
    """
    rows = oof[oof["model"] == model]
    cost = rows["target"].map(data.target_weights) * (rows["y_pred"] - rows["y_true"]) ** 2
    by_photo = cost.groupby(rows["image_id"]).sum().sort_values(ascending=False, kind="stable")
    whole = float(by_photo.sum())
    target = data.heaviest_target
    shown = rows[rows["target"] == target].set_index("image_id").loc[by_photo.index[:_SHOWN]]
    unlike = shown.get("ood_percentile", pd.Series(index=shown.index, dtype="float64"))
    lines = zip(
        map(str, shown.index),
        map(str, shown["group"]),
        by_photo / whole if whole else by_photo * float("nan"),
        shown["y_true"],
        shown["y_pred"],
        unlike,
        strict=False,
    )
    return Table(
        f"The {len(shown)} photos that cost the score most: their share of all squared errors, "
        f"{target}, and how unlike the training photos they are: of 100 known photos, so many are "
        f"more like the others.",
        ("Photo", "Group", "Share of errors", "Measured", "Predicted", "Unlike, of 100"),
        tuple(
            Row(
                (Head(photo), Head(group)),
                (share(lost), number(true), number(pred), number(percentile, digits=2)),
            )
            for photo, group, lost, true, pred, percentile in lines
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
