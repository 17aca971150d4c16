"""Predictions as one tidy table: joined to the labels fold by fold, then pooled and checked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from biomass_pipeline.errors import PooledPredictionsError

PREDICTION_COLUMNS = (
    "image_id",
    "fold",
    "group",
    "target",
    "y_true",
    "y_pred",
    "y_lower",
    "y_upper",
    "model",
)
_SHOWN = 3


def held_out_predictions(
    predictions: Mapping[str, pd.DataFrame],
    *,
    labels: pd.DataFrame,
    fold: int,
    targets: Sequence[str],
) -> pd.DataFrame:
    """Join one fold's predictions of several models to what was measured.

    Args:
        predictions: By model: `image_id, target, y_pred, y_lower, y_upper`.
        labels: One row an image: `image_id`, `group` and the targets.
        fold: The fold held out.
        targets: The targets to keep.

    Returns:
        The columns of `PREDICTION_COLUMNS`.

    Raises:
        PooledPredictionsError: A predicted image has no label.
    """
    parts = [part.assign(model=model) for model, part in predictions.items()]
    measured = labels[["image_id", "group", *targets]].melt(
        id_vars=["image_id", "group"],
        value_vars=list(targets),
        var_name="target",
        value_name="y_true",
    )
    table = pd.concat(parts, ignore_index=True)
    strangers = table.loc[~table["image_id"].isin(labels["image_id"]), "image_id"].unique()
    if len(strangers):
        raise PooledPredictionsError([_sentence(f"fold {fold}", list(strangers), "without label")])
    joined = table.merge(measured, on=["image_id", "target"], how="inner").assign(fold=fold)
    return joined[list(PREDICTION_COLUMNS)].astype({"fold": "int64", "model": "str"})


def pool_predictions(folds: Sequence[pd.DataFrame], *, labels: pd.DataFrame) -> pd.DataFrame:
    """Pool the folds into out-of-fold predictions.

    Args:
        folds: One a fold, with the columns of `PREDICTION_COLUMNS`.
        labels: One row a labelled image: `image_id`.

    Returns:
        All rows, by model, then image in the order of the labels, then target.

    Raises:
        PooledPredictionsError: Some image, target and model is missing, there twice, in two folds,
            not a number, or not labelled.
    """
    table = pd.concat(folds, ignore_index=True)
    problems = list(_problems(table, labels))
    if problems:
        raise PooledPredictionsError(problems)
    place = {image: number for number, image in enumerate(labels["image_id"])}
    targets = {name: number for number, name in enumerate(table["target"].unique())}
    keys = pd.DataFrame(
        {
            "model": table["model"],
            "image": table["image_id"].map(place),
            "target": table["target"].map(targets),
        }
    )
    order = keys.sort_values(["model", "image", "target"], kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _problems(table: pd.DataFrame, labels: pd.DataFrame) -> Iterator[str]:
    labelled = set(labels["image_id"])
    yield from _found("predictions", set(table["image_id"]) - labelled, "without label")
    moved = table.groupby("image_id")["fold"].nunique()
    yield from _found("the folds", moved.index[moved > 1], "in more than one fold")
    unknown = table[["y_true", "y_pred"]].isna().any(axis=1)
    yield from _found("predictions", table.loc[unknown, "image_id"], "without a number")
    targets = table["target"].unique()
    for model, rows in table.groupby("model"):
        for target in targets:
            counts = rows.loc[rows["target"] == target, "image_id"].value_counts()
            where = f"model {model}, target {target}"
            yield from _found(where, labelled - set(counts.index), "missing")
            yield from _found(where, counts.index[counts > 1], "more than once")


def _found(where: str, images: Iterable[str], what: str) -> Iterator[str]:
    names = sorted(set(images))
    if names:
        yield _sentence(where, names, what)


def _sentence(where: str, images: Sequence[str], what: str) -> str:
    more = f" and {len(images) - _SHOWN} more" if len(images) > _SHOWN else ""
    return f"{where}: {len(images)} image(s) {what}: {', '.join(images[:_SHOWN])}{more}"
