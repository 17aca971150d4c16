"""Learning: a fold's network and its ridge baseline, from every fold but its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import (
    GPU_POOL,
    Blueprint,
    CheckpointStore,
    Settings,
    table_result,
)
from biomass_pipeline.config import Config
from biomass_pipeline.evaluation import constant_predictions, held_out_predictions
from biomass_pipeline.store import Cache, FeatureSet

_GROUP = "learning"
# Raise it when the code of the predictions changes what they hold.
_PREDICTIONS_CODE = "1"


@dataclass(frozen=True)
class CheckpointHandle:
    """Trained models in a folder: a path and what decided them, never an open file."""

    folder: Path
    fingerprint: str


@dataclass(frozen=True)
class Lesson:
    """What one fold learns from: the other folds' features, their labels, the recipe."""

    features: FeatureSet
    labels: pd.DataFrame
    recipe: mil.Recipe

    @classmethod
    def gather(
        cls, caches: Mapping[int, Cache], labels: pd.DataFrame, *, config: Config
    ) -> "Lesson":
        """Join the folds given, and fingerprint all that decides the result."""
        folds = sorted(caches)
        joined = FeatureSet.concatenate([caches[fold].load() for fold in folds])
        features = joined.in_content_order()
        # A photo without labels stays in, with NaN: training names it.
        rows = labels.set_index("image_id").reindex(list(features.image_ids))
        targets = rows[list(config.data.target_names)].to_numpy(dtype=float)
        recipe = mil.Recipe(
            training=config.training,
            data=config.data,
            fingerprint=mil.training_fingerprint(
                training=config.training,
                data=config.data,
                extraction=caches[folds[0]].fingerprint,
                images=zip(features.image_sha256, rows["group"], targets, strict=True),
            ),
        )
        known = labels["image_id"].isin(features.image_ids)
        return cls(features, labels[known].reset_index(drop=True), recipe)


def learning_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`mil_checkpoint`, `ridge_baseline` and `fold_predictions`, one partition a fold."""
    data = blueprint.config.data
    meaning = [
        [(target.name, target.weight, target.detection_limit) for target in data.targets],
        data.identities,
    ]
    from_other_folds = {"feature_cache": dg.AssetIn(partition_mapping=blueprint.other_folds)}

    @blueprint.asset(
        _GROUP,
        code=mil.CODE_VERSION,
        decides=meaning,
        partitioned=True,
        kinds={"pytorch", "lightning"},
        ins=from_other_folds,
        deps=["training_config"],
        pool=GPU_POOL,
        io_manager_key="model_handles",
    )
    def mil_checkpoint(
        context: dg.AssetExecutionContext,
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        checkpoints: dg.ResourceParam[CheckpointStore],
    ) -> dg.MaterializeResult[CheckpointHandle]:
        """The fold's ensemble of multiple-instance networks; it never saw the fold's photos."""
        config = blueprint.with_training(settings.load())
        lesson = Lesson.gather(feature_cache, label_table, config=config)
        folder = checkpoints.folder(lesson.recipe.fingerprint, int(context.partition_key))
        reused = mil.networks_exist(folder, lesson.recipe.fingerprint)
        mil.train_fold(
            lesson.features,
            lesson.labels,
            recipe=lesson.recipe,
            checkpoint_folder=folder,
            device=settings.device(),
            threads=config.compute.training_threads,
        )
        return _model_result(folder, lesson, reused=reused)

    @blueprint.asset(
        _GROUP,
        code=mil.CODE_VERSION,
        decides=meaning,
        partitioned=True,
        kinds={"numpy"},
        ins=from_other_folds,
        deps=["training_config"],
        io_manager_key="model_handles",
    )
    def ridge_baseline(
        context: dg.AssetExecutionContext,
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        checkpoints: dg.ResourceParam[CheckpointStore],
    ) -> dg.MaterializeResult[CheckpointHandle]:
        """Ridge regression on pooled features: the baseline every network is printed beside."""
        config = blueprint.with_training(settings.load())
        lesson = Lesson.gather(feature_cache, label_table, config=config)
        folder = checkpoints.folder(lesson.recipe.fingerprint, int(context.partition_key))
        reused = mil.ridge_exists(folder, lesson.recipe.fingerprint)
        if not reused:
            mil.save_ridge(
                mil.fit_ridge(lesson.features, lesson.labels, recipe=lesson.recipe), folder
            )
        return _model_result(folder, lesson, reused=reused)

    @blueprint.asset(
        _GROUP,
        code=_PREDICTIONS_CODE,
        decides=[blueprint.config.evaluation],
        partitioned=True,
        kinds={"parquet", "pandas"},
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
        """The held-out photos as the network, the ridge and the constant predict them."""
        fold, level = int(context.partition_key), blueprint.config.evaluation.interval_level
        features = feature_cache[fold].load()
        network, ridge = mil_checkpoint[fold], ridge_baseline[fold]
        table = held_out_predictions(
            {
                "mil": mil.predict(
                    mil.load_fold(network.folder, network.fingerprint),
                    features,
                    level=level,
                    device=settings.device(),
                ),
                "ridge": mil.predict_ridge(
                    mil.load_ridge(ridge.folder, ridge.fingerprint), features, level=level
                ),
                "constant": constant_predictions(
                    label_table, fold_assignment, fold=fold, targets=data.target_names, level=level
                ).pipe(_embedded, features),
            },
            labels=label_table,
            fold=fold,
            targets=data.target_names,
        )
        return table_result(table, photos=len(features.image_ids))

    return [mil_checkpoint, ridge_baseline, fold_predictions]


def _embedded(predictions: pd.DataFrame, features: FeatureSet) -> pd.DataFrame:
    """Only photos that every model could see: the others are quarantined."""
    return predictions[predictions["image_id"].isin(features.image_ids)]


def _model_result(
    folder: Path, lesson: Lesson, *, reused: bool
) -> dg.MaterializeResult[CheckpointHandle]:
    fingerprint = lesson.recipe.fingerprint
    return dg.MaterializeResult(
        value=CheckpointHandle(folder, fingerprint),
        data_version=dg.DataVersion(fingerprint),
        metadata={
            "training_fingerprint": fingerprint,
            "photos": len(lesson.features.image_ids),
            "feature_dim": lesson.features.feature_dim,
            "reused": reused,
            "groups": int(lesson.labels["group"].nunique()),
        },
    )
