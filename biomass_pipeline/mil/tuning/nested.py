"""What tuning is worth: photos predicted by settings that were tuned without their fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig, EvaluationConfig, TrainingConfig
from biomass_pipeline.errors import PooledPredictionsError
from biomass_pipeline.mil.prediction import Beside, predict
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.ridge import fit_ridge, predict_ridge
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import train_fold
from biomass_pipeline.mil.tuning.result import NestedScore, StudyResult
from biomass_pipeline.mil.tuning.search import Search, fingerprint_of, labels_of
from biomass_pipeline.scoring import weighted_r2
from biomass_pipeline.store.bags import FeatureSet

_ID, _TARGET, _TRUE = "image_id", "target", "y_true"
_TUNED, _UNTUNED = "tuned", "untuned"

# Only points are scored here.
_POINTS = PredictionSpec.from_config(EvaluationConfig())


@dataclass(frozen=True)
class OuterFold:
    """One fold of the outer split.

    Attributes:
        train: Photos of all other folds: what the fold's study saw.
        held_out: The fold's own photos.
        labels: Of both: columns `image_id`, `group`, the targets and the covariates.
    """

    train: FeatureSet
    held_out: FeatureSet
    labels: pd.DataFrame


def nested_predictions(
    fold: OuterFold,
    result: StudyResult,
    *,
    search: Search,
    folder: Callable[[str], Path],
    device: str = "cpu",
    threads: int | None = None,
) -> pd.DataFrame:
    """Predict a fold by the settings that its study found, and by the configured ones.

    Both learn from the same photos, with as many networks as configured.

    Args:
        fold: The photos.
        result: Of the study that saw `fold.train` and nothing else.
        search: What was searched.
        folder: A training fingerprint to the folder of its checkpoints. Where a fold's models have
            theirs, the configured networks are trained once.
        device: As PyTorch names it.
        threads: PyTorch's threads on a CPU; None leaves them alone.

    Returns:
        Columns `image_id, group, target, y_true, tuned, untuned`, a row a photo and target.
    """
    truth = labels_of(fold.held_out, fold.labels, search=search)
    names = search.data.target_names
    table = pd.DataFrame(
        {
            _ID: np.repeat(np.array(truth.image_ids, dtype=object), len(names)),
            "group": np.repeat(truth.groups, len(names)),
            _TARGET: list(names) * len(truth.image_ids),
            _TRUE: truth.y.ravel(),
        }
    )
    settings = {_TUNED: search.space().settings(result.best), _UNTUNED: search.training}
    for column, training in settings.items():
        recipe = _recipe(fold, training, search=search)
        if search.space().searches_ridge:
            table[column] = _by_ridge(fold, recipe).ravel()
        else:
            place = folder(recipe.fingerprint)
            y = _by_network(fold, recipe, folder=place, device=device, threads=threads)
            table[column] = y.ravel()
    return table.astype({_ID: "str", _TARGET: "str"})


def nested_score(tables: Sequence[pd.DataFrame], *, data: DataConfig) -> NestedScore:
    """Score the pooled predictions of all folds.

    Args:
        tables: What `nested_predictions` gave, one a fold.
        data: The targets and their weights.

    Raises:
        PooledPredictionsError: A photo is in two folds, or lacks a target.
        UndefinedScoreError: The labels are all alike.
    """
    pooled = pd.concat(tables, ignore_index=True)
    names = list(data.target_names)
    counts = pooled.groupby(_ID)[_TARGET].agg(["size", "nunique"])
    odd = counts[(counts != len(names)).any(axis=1)].index
    if len(odd):
        raise PooledPredictionsError([f"{name} is not there once a target" for name in odd])

    def wide(column: str) -> pd.DataFrame:
        return pooled.pivot_table(index=_ID, columns=_TARGET, values=column)[names]

    r2, untuned = (
        weighted_r2(wide(_TRUE), wide(one), targets=names, weights=data.target_weights)
        for one in (_TUNED, _UNTUNED)
    )
    return NestedScore(r2, untuned, difference=r2 - untuned, n_images=len(counts))


def _recipe(fold: OuterFold, training: TrainingConfig, *, search: Search) -> Recipe:
    is_ridge = search.space().searches_ridge
    decides = training.decides_ridge() if is_ridge else training.decides_network()
    labelled = labels_of(fold.train, fold.labels, search=search)
    fingerprint = fingerprint_of(fold.train, labelled, search=search, decides=decides)
    return Recipe(search.data, training, fingerprint)


def _by_ridge(fold: OuterFold, recipe: Recipe) -> NDArray[np.float64]:
    model = fit_ridge(fold.train, fold.labels, recipe=recipe)
    return predict_ridge(model, fold.held_out, spec=_POINTS).y


def _by_network(
    fold: OuterFold, recipe: Recipe, *, folder: Path, device: str, threads: int | None
) -> NDArray[np.float64]:
    trained = train_fold(
        fold.train,
        fold.labels,
        recipe=recipe,
        checkpoint_folder=folder,
        device=device,
        threads=threads,
    )
    beside = Beside(fold.labels, recipe.data.date_column)
    return predict(trained, fold.held_out, spec=_POINTS, device=device, beside=beside).y
