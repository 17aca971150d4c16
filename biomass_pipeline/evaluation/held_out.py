"""A fold's photos by the models that never saw them, and by the floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

# Its names are imported on first use: who only lists the graph does not pay for torch.
from biomass_pipeline import mil
from biomass_pipeline.evaluation.floor import constant_predictions
from biomass_pipeline.evaluation.pooling import held_out_predictions
from biomass_pipeline.evaluation.selection import with_choice

if TYPE_CHECKING:
    from biomass_pipeline.config import Config
    from biomass_pipeline.store import FeatureSet


def predict_held_out(  # noqa: PLR0913  # one argument an input of a fold
    models: mil.FoldModels,
    features: FeatureSet,
    *,
    labels: pd.DataFrame,
    folds: pd.DataFrame,
    fold: int,
    config: Config,
    device: str,
) -> pd.DataFrame:
    """Predict the photos that a fold holds out, by each of its models and by the constant floor.

    Args:
        models: The fold's, none of which saw these photos.
        features: Of the held-out photos.
        labels: All labelled photos: `image_id`, targets, covariates.
        folds: `image_id, group, fold` of all labelled photos.
        fold: Which fold.
        config: Targets, and what is predicted of each.
        device: As PyTorch names it.

    Returns:
        A row a model, photo and target, with what the fold chose.

    Raises:
        BiomassError: As `constant_predictions`, `held_out_predictions` and the models.
    """
    data, spec = config.data, mil.PredictionSpec.from_config(config.evaluation)
    predictions = models.predict(
        features, spec=spec, device=device, beside=mil.Beside(labels, data.date_column)
    )
    # What extraction refused is predicted by no model, so not by the constant either.
    elsewhere = folds.loc[folds["fold"] != fold, "image_id"]
    known = labels["image_id"].isin(features.image_ids) | labels["image_id"].isin(elsewhere)
    predictions["constant"] = constant_predictions(
        labels[known], folds, fold=fold, targets=mil.TargetSpec.from_config(data), spec=spec
    )
    table = held_out_predictions(
        predictions,
        labels=labels,
        fold=fold,
        targets=data.target_names,
        novelty=models.novelty(features),
        seed=spec.seed,
    )
    return with_choice(table, models.choice())
