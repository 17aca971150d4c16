"""Learning: a fold's network and its ridge baseline, from every fold but its own."""

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import (
    GPU_POOL,
    Blueprint,
    CheckpointStore,
    Reporter,
    Settings,
)
from biomass_pipeline.assets.lesson import CheckpointHandle, Lesson
from biomass_pipeline.assets.pages import Facts, network_page, ridge_page
from biomass_pipeline.store import Cache

_GROUP = "learning"


def learning_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`mil_checkpoint` and `ridge_baseline`, one partition a fold."""
    meaning = meaning_of(blueprint)
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
        reporter: dg.ResourceParam[Reporter],
    ) -> dg.MaterializeResult[CheckpointHandle]:
        """The fold's ensemble of multiple-instance networks; it never saw the fold's photos.

        Made of the features and labels of every other fold, and of the section `training`. Each
        network is stopped on training groups that it did not learn from.
        """
        config = blueprint.with_training(settings.load())
        lesson = Lesson.gather(feature_cache, label_table, config=config)
        recipe = lesson.for_network()
        fold = int(context.partition_key)
        folder = checkpoints.folder(recipe.fingerprint, fold)
        reused = mil.networks_exist(folder, recipe.fingerprint)
        trained = mil.train_fold(
            lesson.features,
            lesson.labels,
            recipe=recipe,
            checkpoint_folder=folder,
            device=settings.device(),
            threads=config.compute.training_threads,
            records=mil.TrainingRecords(
                config.compute.training_logs,
                config.compute.checkpoint_every_epochs,
                on_progress=reporter.training(fold),
            ),
        )
        handle = CheckpointHandle(folder, recipe.fingerprint, lesson.network_state())
        return _model_result(handle, lesson, reused=reused, page=network_page(folder, trained))

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
        """Ridge regression on pooled features: the baseline every network is printed beside.

        Made of the features and labels of every other fold, and of the section `training`.
        """
        config = blueprint.with_training(settings.load())
        lesson = Lesson.gather(feature_cache, label_table, config=config)
        recipe = lesson.for_ridge()
        folder = checkpoints.folder(recipe.fingerprint, int(context.partition_key))
        reused = mil.ridge_exists(folder, recipe.fingerprint)
        if not reused:
            mil.save_ridge(mil.fit_ridge(lesson.features, lesson.labels, recipe=recipe), folder)
        handle = CheckpointHandle(folder, recipe.fingerprint, lesson.ridge_state())
        page = ridge_page(mil.load_ridge(folder, recipe.fingerprint))
        return _model_result(handle, lesson, reused=reused, page=page)

    return [mil_checkpoint, ridge_baseline]


def meaning_of(blueprint: Blueprint) -> dict[str, object]:
    """What the labels mean and what trains: a part of every model's code version."""
    data = blueprint.config.data
    return {
        "targets (name, weight, zero below)": [
            (target.name, target.weight, target.detection_limit) for target in data.targets
        ],
        "data.identities": data.identities,
        "data.group_columns": data.group_columns,
        # The season of a photo is read from it.
        "data.date_column": data.date_column,
        "torch, pytorch-lightning, scikit-learn": mil.trainers(),
    }


def _model_result(
    handle: CheckpointHandle, lesson: Lesson, *, reused: bool, page: Facts
) -> dg.MaterializeResult[CheckpointHandle]:
    return dg.MaterializeResult(
        value=handle,
        data_version=dg.DataVersion(handle.fingerprint),
        metadata={
            **page,
            "training_fingerprint": handle.fingerprint,
            "photos": len(lesson.features.image_ids),
            "feature_dim": lesson.features.feature_dim,
            "reused": reused,
            "groups": int(lesson.labels["group"].nunique()),
        },
    )
