"""Predictions as one tidy table: joined to the labels fold by fold, then pooled and checked."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.errors import MixedTrainingError, PooledPredictionsError
from biomass_pipeline.mil.predictive import Predictive
from biomass_pipeline.scoring import crps_of_draws, pit_of_draws

_SHOWN = 3


def level_name(level: float) -> str:
    """A level in per cent, as tables name it.

    >>> level_name(0.9), level_name(0.975)
    ('90', '97.5')
    """
    return f"{100 * level:g}"


def interval_columns(levels: Sequence[float], *, headline: float) -> list[tuple[str, str]]:
    """The columns of the lower and the upper bound at each level.

    Args:
        levels: The coverages that the intervals promise.
        headline: The one whose bounds are called `y_lower` and `y_upper`.
    """
    suffixes = ["" if level == headline else f"_{level_name(level)}" for level in levels]
    return [(f"y_lower{suffix}", f"y_upper{suffix}") for suffix in suffixes]


def prediction_columns(evaluation: EvaluationConfig) -> tuple[str, ...]:
    """The columns of out-of-fold predictions under these levels."""
    pairs = dict.fromkeys(interval_columns(evaluation.levels, headline=evaluation.interval_level))
    bounds = [name for pair in pairs for name in pair if name not in _FIRST]
    return (*_FIRST, *bounds, *_LAST)


_FIRST = (
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
_LAST = ("p_zero", "crps", "pit", "ood_percentile")
# Of one fold's table only: what is pooled has one state.
STATE_COLUMN = "training_state"

PREDICTION_COLUMNS = prediction_columns(EvaluationConfig())


def held_out_predictions(
    predictions: Mapping[str, Predictive],
    *,
    labels: pd.DataFrame,
    fold: int,
    targets: Sequence[str],
    novelty: Mapping[str, float] | None,
    seed: int,
) -> pd.DataFrame:
    """Join one fold's predictions of several models to what was measured, and score each row.

    Args:
        predictions: By model.
        labels: One row an image: `image_id`, `group` and the targets.
        fold: The fold held out.
        targets: The targets to keep.
        novelty: How unlike the training photos each photo is, as a percentile; None if unknown.
        seed: With the fold it decides where a measured zero falls among predicted zeros.

    Returns:
        The columns of `PREDICTION_COLUMNS`, with the bounds that the predictions have: `crps` in
        the target's unit, `pit` randomised, both from the draws; `ood_percentile` NaN if unknown.

    Raises:
        PooledPredictionsError: A predicted image has no label.
    """
    measured = labels.set_index("image_id")
    parts = []
    for model, found in predictions.items():
        _check_labelled(found, measured, fold=fold)
        # Each model draws from a fresh source: what others there are changes nothing.
        chance = np.random.default_rng([seed, fold])
        parts.append(_scored(found, measured, chance=chance).assign(model=model))
    table = pd.concat(parts, ignore_index=True)
    table = table[table["target"].isin(list(targets))].reset_index(drop=True)
    percentile = table["image_id"].map(dict(novelty or {})).astype("float64")
    table = table.assign(fold=fold, ood_percentile=percentile)
    bounds = [name for name in table.columns if name.startswith(("y_lower_", "y_upper_"))]
    order = [*_FIRST, *bounds, *_LAST]
    return table[order].astype({"fold": "int64", "model": "str", "group": "str"})


def _check_labelled(found: Predictive, measured: pd.DataFrame, *, fold: int) -> None:
    strangers = [image for image in found.image_ids if image not in measured.index]
    if strangers:
        raise PooledPredictionsError([_sentence(f"fold {fold}", strangers, "without label")])


def _scored(
    found: Predictive, measured: pd.DataFrame, *, chance: np.random.Generator
) -> pd.DataFrame:
    """One model's rows with what was measured and the scores of each, photo by photo."""
    rows = measured.loc[list(found.image_ids)]
    names = list(found.targets.names)
    y = rows[names].to_numpy(dtype=float)
    return found.frame().assign(
        group=np.repeat(rows["group"].to_numpy(), len(names)),
        y_true=y.ravel(),
        crps=crps_of_draws(found.draws, y).ravel(),
        pit=pit_of_draws(found.draws, y, chance=chance).ravel(),
    )


def with_training_state(table: pd.DataFrame, state: Mapping[str, str]) -> pd.DataFrame:
    """One fold's predictions with what they were trained by, as JSON, in every row."""
    return table.assign(**{STATE_COLUMN: json.dumps(dict(state), sort_keys=True)})


def refuse_mixed_training(
    folds: Mapping[int, pd.DataFrame], *, now: Callable[[], Mapping[str, str]]
) -> None:
    """See that the models of all folds were trained by one state of settings, labels and photos.

    Args:
        folds: Each fold's predictions, with the column of `with_training_state`.
        now: The state that training would have now; asked for only if the folds differ.

    Raises:
        MixedTrainingError: They were not. It names the folds that differ from the present state.
    """
    states = {fold: _state(table) for fold, table in folds.items()}
    different = _different(states.values())
    if not different:
        return
    present = dict(now())
    again = sorted(fold for fold, state in states.items() if state != present)
    raise MixedTrainingError(again, different=different)


def _state(table: pd.DataFrame) -> dict[str, str]:
    """What a fold was trained by; what does not say so agrees with nothing."""
    if STATE_COLUMN not in table or table.empty:
        return {}
    state: dict[str, str] = json.loads(table[STATE_COLUMN].iloc[0])
    return state


def _different(states: Iterable[Mapping[str, str]]) -> list[str]:
    """The parts that not all states have alike; every part, if none says anything."""
    known = list(states)
    parts = sorted({part for state in known for part in state})
    different = [part for part in parts if len({state.get(part) for state in known}) > 1]
    return different if parts else ["what they were trained by, which they do not say"]


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
