"""Whether folds are alike enough for their scores to mean the same."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from biomass_pipeline.evaluation.finding import Finding

# Shares of an even fold. Groups are dealt whole, so no fold is quite even.
_FEWEST, _MOST = 0.5, 2.0
# Standard errors of a fold's mean, from what groups differ by.
_MEAN_LIMIT: Final = 3.0
_TWO: Final = 2


def check_fold_balance(
    folds: pd.DataFrame, labels: pd.DataFrame, *, target: str, n_folds: int, by_group: bool
) -> Finding:
    """Compare the folds' numbers of photos and groups, and their mean labels.

    Args:
        folds: One row a photo: `image_id, group, fold`.
        labels: `image_id` and the target.
        target: What the means are of.
        n_folds: How many folds there should be.
        by_group: Whether each fold is to hold one group, whatever its size.
    """
    value = folds["image_id"].map(labels.set_index("image_id")[target]).astype("float64")
    rows = folds.assign(value=value)
    table = (
        rows.groupby("fold")
        .agg(photos=("image_id", "size"), groups=("group", "nunique"), mean=("value", "mean"))
        .reindex(range(n_folds))
        .fillna({"photos": 0, "groups": 0})
        .astype({"photos": "int64", "groups": "int64"})
        .rename(columns={"mean": f"mean {target}"})
        .reset_index()
    )
    empty = [f"fold {fold} is empty" for fold in table.loc[table["photos"] == 0, "fold"]]
    uneven = [] if by_group or not len(folds) else [*_sizes(table), *_means(rows, target)]
    problems = [*empty, *uneven]
    told = "; ".join(problems) or "The folds are alike in photos, groups and mean"
    advice = (
        ". Scores of such folds are not comparable. To do: more groups, fewer folds, or another "
        "`folds.seed`."
        if problems
        else "."
    )
    facts = {"fewest_photos": int(table["photos"].min()), "most_photos": int(table["photos"].max())}
    return Finding(not problems, told[0].upper() + told[1:] + advice, table, facts)


def _sizes(table: pd.DataFrame) -> Iterator[str]:
    even = table["photos"].sum() / len(table)
    for fold, photos, groups in zip(table["fold"], table["photos"], table["groups"], strict=True):
        if photos and not _FEWEST * even <= photos <= _MOST * even:
            yield f"fold {fold} has {photos} photos where {even:.0f} would be even"
        if groups == 1 and table["groups"].sum() >= _TWO * len(table):
            yield f"fold {fold} has a single group"


def _means(rows: pd.DataFrame, target: str) -> Iterator[str]:
    groups = rows.groupby("group").agg(fold=("fold", "first"), value=("value", "mean"))
    if len(groups) <= _TWO:
        return
    overall, sd = float(groups["value"].mean()), float(groups["value"].std(ddof=1))
    for fold, values in groups.groupby("fold")["value"]:
        apart = abs(float(values.mean()) - overall)
        if apart > _MEAN_LIMIT * sd / np.sqrt(len(values)):
            yield (
                f"fold {fold} has a mean {target} of {values.mean():.4g} over its groups, all "
                f"groups {overall:.4g}"
            )
