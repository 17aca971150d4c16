"""Prediction: a fold's photos by the models that never saw them."""

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import Blueprint, Settings, table_result
from biomass_pipeline.assets.lesson import (
    NETWORK,
    RIDGE,
    CheckpointHandle,
    content_state,
    photos_of,
)
from biomass_pipeline.assets.pages import fold_page
from biomass_pipeline.config import fingerprint
from biomass_pipeline.evaluation import (
    predict_held_out,
    with_training_state,
)
from biomass_pipeline.store import Cache

_GROUP = "learning"
# Raise it when the code of the predictions changes what they hold.
_PREDICTIONS_CODE = "3"


def prediction_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`fold_predictions`, one partition a fold."""

    @blueprint.asset(
        _GROUP,
        code=_PREDICTIONS_CODE,
        decides={"evaluation": blueprint.judging},
        partitioned=True,
        kinds={"parquet", "pandas"},
        deps=["training_config"],
    )
    def fold_predictions(  # noqa: PLR0913, PLR0917  # one argument an upstream asset
        context: dg.AssetExecutionContext,
        mil_checkpoint: dict[int, CheckpointHandle],
        ridge_baseline: dict[int, CheckpointHandle],
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
        fold_assignment: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """The held-out photos by constant, ridge, network and stack, and by the one chosen.

        One row a model, photo and target, in the target's unit, with intervals. Made of the fold's
        models, none of which saw these photos, and of their features.
        """
        fold, data = int(context.partition_key), blueprint.config.data
        features = feature_cache[fold].load()
        network, ridge = mil_checkpoint[fold], ridge_baseline[fold]
        models = mil.FoldModels(
            mil.load_fold(network.folder, network.fingerprint),
            mil.load_ridge(ridge.folder, ridge.fingerprint),
        )
        table = predict_held_out(
            models,
            features,
            labels=label_table,
            folds=fold_assignment,
            fold=fold,
            config=blueprint.config,
            device=settings.device(),
        )
        choice = models.choice()
        held_out = content_state(
            {NETWORK: models.network.covariates, RIDGE: ()},
            fold,
            photos=photos_of(features),
            labels=label_table,
            data=data,
        )
        state = {**network.state, **ridge.state, **held_out, **judged_state(blueprint)}
        return table_result(
            with_training_state(table, state),
            **fold_page(table, data=data),
            photos=len(features.image_ids),
            chosen=choice.model,
            inner_scores=dg.MetadataValue.json(dict(choice.scores)),
        )

    return [fold_predictions]


def judged_state(blueprint: Blueprint) -> dict[str, str]:
    """What decides predictions beside the models, as a part of their state."""
    return {"intervals": fingerprint(_PREDICTIONS_CODE, blueprint.judging)}
