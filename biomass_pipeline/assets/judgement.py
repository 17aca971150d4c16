"""Judgement: pooled out-of-fold predictions, scores beside their floors, and the report."""

from collections.abc import Mapping

import dagster as dg
import pandas as pd

from biomass_pipeline.assets.blueprint import (
    Archive,
    Blueprint,
    LabelSource,
    Settings,
    table_result,
)
from biomass_pipeline.assets.lesson import Lesson, features_of
from biomass_pipeline.assets.pages import picture_of, scores_of, scores_page
from biomass_pipeline.assets.prediction import judged_state
from biomass_pipeline.config import Config, fingerprint, recorded
from biomass_pipeline.evaluation import (
    AUTO,
    STATE_COLUMN,
    alarms,
    evaluate,
    pool_predictions,
    refuse_mixed_training,
    selection_of,
    standing,
)
from biomass_pipeline.manifest import check_quarantine, with_refusals
from biomass_pipeline.reporting import (
    ReportInputs,
    package_versions,
    predicted_against_measured,
    render_report,
)
from biomass_pipeline.store import Cache

_GROUP = "judgement"
# Raise one when its code changes what it holds.
_POOL_CODE, _METRICS_CODE, _REPORT_CODE = "3", "3", "2"


def judgement_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`oof_predictions`, `evaluation` and `report`."""
    config = blueprint.config

    @blueprint.asset(_GROUP, code=_POOL_CODE, kinds={"parquet", "pandas"})
    def oof_predictions(
        fold_predictions: dict[int, pd.DataFrame],
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Every labelled photo, predicted once by each kind of model that never saw it.

        One row a model, photo and target, in the target's unit. Made of all folds' predictions,
        which must come from one state of settings, labels and photos.
        """

        def state_now() -> dict[str, str]:
            lesson = Lesson.gather(
                feature_cache, label_table, config=blueprint.with_training(settings.load())
            )
            return lesson.network_state() | lesson.ridge_state() | judged_state(blueprint)

        refuse_mixed_training(fold_predictions, now=state_now)
        photos = with_refusals(
            label_table[["image_id"]].assign(status="ok", reason=""), _refused(feature_cache)
        )
        check_quarantine(photos, limit=config.data.max_quarantined_fraction)
        table = pool_predictions(
            [fold_predictions[fold] for fold in sorted(fold_predictions)],
            labels=label_table[photos["status"] == "ok"],
        ).drop(columns=STATE_COLUMN)
        plot = predicted_against_measured(table, data=config.data, model=AUTO)
        return table_result(
            table, predicted_against_measured=picture_of(plot, "Predicted against measured")
        )

    @blueprint.asset(
        _GROUP,
        code=_METRICS_CODE,
        decides={
            "data": config.data.model_dump(mode="json", exclude=_LOCATIONS),
            "evaluation": blueprint.judging,
        },
        kinds={"json"},
        io_manager_key="documents",
        deps=["training_config"],
    )
    def evaluation(
        oof_predictions: pd.DataFrame,
        label_table: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult[dict[str, object]]:
        """Scores, calibration and coverage of every model, beside the floor it has to beat.

        R² has no unit: 1 is perfect, 0 is no better than one mean for everything. Errors are in
        the targets' units and in kg of dry matter a hectare. Made of the pooled predictions.
        """
        current = blueprint.with_training(settings.load())
        result = evaluate(
            oof_predictions,
            label_table,
            data=config.data,
            evaluation=config.evaluation,
            selection=selection_of(oof_predictions, current.training.model),
        )
        return dg.MaterializeResult(
            value={**result.metrics, "made_of": _made_of(current, blueprint.extraction)},
            # Of the scores alone: what made them is told beside them, and makes nothing stale.
            data_version=dg.DataVersion(fingerprint(result.metrics)),
            metadata={
                "scores": scores_of(result.score_table()),
                **scores_page(result.metrics, data=config.data),
                "images": result.metrics["n_images"],
                "groups": result.metrics["n_groups"],
                # What the next evaluation is compared with.
                **standing(result.metrics),
            },
        )

    @blueprint.asset(
        _GROUP,
        code=_REPORT_CODE,
        decides={
            "configuration": config.model_dump(mode="json", exclude=_NOT_OF_THE_REPORT),
            "versions": package_versions(),
        },
        kinds={"html"},
        io_manager_key="documents",
        # The last two are shown if they are there, and wait for nobody.
        deps=["raw_labels", "training_config", "protocols", "tuning"],
    )
    def report(  # noqa: PLR0913, PLR0917  # one argument an upstream asset or seam
        evaluation: dict[str, object],
        oof_predictions: pd.DataFrame,
        image_manifest: pd.DataFrame,
        feature_cache: dict[int, Cache],
        labels: dg.ResourceParam[LabelSource],
        settings: dg.ResourceParam[Settings],
        documents: dg.ResourceParam[Archive],
    ) -> dg.MaterializeResult[str]:
        """One self-contained page: scores, figures, quarantine, configuration, versions."""
        protocols = _if_there(documents, "protocols")
        page = render_report(
            ReportInputs(
                config=blueprint.with_training(settings.load()),
                oof=oof_predictions,
                metrics=evaluation,
                manifest=with_refusals(image_manifest, _refused(feature_cache)),
                label_warnings=labels.read().warnings,
                fingerprints={"extraction": blueprint.extraction},
                versions=package_versions(),
                notes=blueprint.notes,
                protocols=protocols,
                tuning=_if_there(documents, "tuning"),
                alarms=alarms(
                    oof_predictions,
                    data=config.data,
                    features=features_of(feature_cache),
                    comparison=protocols,
                ),
            )
        )
        return dg.MaterializeResult(
            value=page,
            data_version=dg.DataVersion(fingerprint(page)),
            metadata={"dagster/size_bytes": len(page.encode())},
        )

    return [oof_predictions, evaluation, report]


# Where the files are, and what stops a run, does not change a score.
_LOCATIONS = {"images", "labels", "submission", "max_quarantined_fraction"}
# What is shown of these comes with the documents and sources that the report depends on.
_NOT_OF_THE_REPORT: dict[str, bool | set[str]] = {
    "automation": True,
    "compute": True,
    "training": True,
    "tuning": True,
    "evaluation": {"protocols"},
}


def _made_of(config: Config, extraction: str) -> dict[str, object]:
    """What the scores were made of, for `biomass diff`."""
    return {
        "configuration": recorded(config),
        "extraction": extraction,
        "versions": package_versions(),
    }


def _refused(caches: Mapping[int, Cache]) -> dict[str, str]:
    """The reason of each photo that could not be embedded, by its id."""
    return {p.image_id: p.reason for fold in sorted(caches) for p in caches[fold].quarantined()}


def _if_there(documents: Archive, name: str) -> Mapping[str, object] | None:
    found: Mapping[str, object] | None = (
        documents.read(name, None) if documents.has(name, None) else None
    )
    return found
