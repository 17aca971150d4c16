"""Tuning: settings searched without a fold, what that is worth, and what is recommended."""

from functools import partial

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import (
    GPU_POOL,
    Blueprint,
    CheckpointStore,
    Settings,
    Studies,
    table_result,
)
from biomass_pipeline.assets.learning import meaning_of
from biomass_pipeline.assets.lesson import Lesson
from biomass_pipeline.config import Config, fingerprint
from biomass_pipeline.mil import tuning as searching
from biomass_pipeline.store import Cache

_GROUP = "tuning"
# Raise it when the code of the studies changes what they find.
_TUNING_CODE = "1"
# How long and where trials are kept does not change what a trial finds.
_CIRCUMSTANCES = {"timeout_s", "storage"}


def tuning_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`tuning_study`, one partition a fold, and `tuning`."""
    config = blueprint.config
    decides = {
        **meaning_of(blueprint),
        "tuning": config.tuning.model_dump(mode="json", exclude=_CIRCUMSTANCES),
    }
    code = f"{_TUNING_CODE}-{mil.CODE_VERSION}"

    @blueprint.asset(
        _GROUP,
        automated=False,
        code=code,
        decides=decides,
        partitioned=True,
        kinds={"optuna", "pytorch"},
        # All folds: the study sees the others, and the fold's own photos only judge what it found.
        ins={"feature_cache": dg.AssetIn(partition_mapping=dg.AllPartitionMapping())},
        deps=["training_config"],
        pool=GPU_POOL,
    )
    def tuning_study(
        context: dg.AssetExecutionContext,
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        checkpoints: dg.ResourceParam[CheckpointStore],
        studies: dg.ResourceParam[Studies],
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """The fold's photos by settings that were searched on the other folds, and untuned.

        One row a photo and target, in the target's unit. Made of all folds' features: the search
        sees the others, and the fold's own photos only judge what it found. Optional: it runs
        only when it is asked for.
        """
        fold = int(context.partition_key)
        current = blueprint.with_training(settings.load())
        others = {other: cache for other, cache in feature_cache.items() if other != fold}
        lesson = Lesson.gather(others, label_table, config=current)
        result = _search(f"fold_{fold}", lesson, studies=studies, device=settings.device())
        table = searching.nested_predictions(
            searching.OuterFold(lesson.features, feature_cache[fold].load(), label_table),
            result,
            search=_what(current, lesson),
            folder=partial(checkpoints.folder, fold=fold),
            device=settings.device(),
            threads=current.compute.training_threads,
        )
        return table_result(
            table,
            study=result.study,
            trials=len(result.trials),
            best=dg.MetadataValue.json(dict(result.best)),
            inner_r2=result.best_value,
        )

    @blueprint.asset(
        _GROUP,
        automated=False,
        code=code,
        decides=decides,
        kinds={"optuna", "json"},
        deps=["training_config"],
        pool=GPU_POOL,
        io_manager_key="documents",
    )
    def tuning(
        tuning_study: dict[int, pd.DataFrame],
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        studies: dg.ResourceParam[Studies],
    ) -> dg.MaterializeResult[dict[str, object]]:
        """What a search on all photos recommends, and what searching is worth on unseen groups.

        A section `training` to take over, and the R² of tuned and untuned settings on photos that
        neither saw. Optional: it runs only when it is asked for.
        """
        lesson = Lesson.gather(
            feature_cache, label_table, config=blueprint.with_training(settings.load())
        )
        result = _search("all", lesson, studies=studies, device=settings.device())
        nested = searching.nested_score(
            [tuning_study[fold] for fold in sorted(tuning_study)], data=config.data
        )
        search = _what(lesson.config, lesson)
        file = studies.recommend(searching.recommended_yaml(search.space(), result))
        found = searching.tuning_report(result, nested)
        return dg.MaterializeResult(
            value=found,
            data_version=dg.DataVersion(fingerprint(found)),
            metadata={"recommended": dg.MetadataValue.path(file), "nested_r2": nested.r2},
        )

    return [tuning_study, tuning]


def _what(config: Config, lesson: Lesson) -> "searching.Search":
    return searching.Search(config.data, config.training, config.tuning, lesson.extraction)


def _search(name: str, lesson: Lesson, *, studies: Studies, device: str) -> "searching.StudyResult":
    return searching.tune(
        name,
        lesson.features,
        lesson.labels,
        search=_what(lesson.config, lesson),
        storage_url=studies.storage_url(),
        device=device,
        threads=lesson.config.compute.training_threads,
    )
