"""Judgement: pooled out-of-fold predictions, scores beside their floors, and the report."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import (
    Archive,
    Blueprint,
    LabelSource,
    PhotoSource,
    Settings,
    table_result,
)
from biomass_pipeline.assets.extraction import reading_of
from biomass_pipeline.assets.history import stages_of
from biomass_pipeline.assets.lesson import CheckpointHandle, Lesson, features_of
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
    WORST,
    Album,
    HeldOut,
    Picture,
    Report,
    ReportInputs,
    draw_worst_maps,
    make_report,
    package_versions,
    photos_by_cost,
    predicted_against_measured,
    read_album,
)
from biomass_pipeline.store import Cache

if TYPE_CHECKING:
    from biomass_pipeline.reporting.maps.reading import PhotoReader

_GROUP = "judgement"
# Raise one when its code changes what it holds.
_POOL_CODE, _METRICS_CODE, _REPORT_CODE = "3", "3", "4"
# As text it takes a third more, and a row of Dagster's storage should stay below 100 kB.
_MOST_PNG_BYTES = 70_000


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
        context: dg.AssetExecutionContext,
        evaluation: dict[str, object],
        oof_predictions: pd.DataFrame,
        image_manifest: pd.DataFrame,
        label_table: pd.DataFrame,
        feature_cache: dict[int, Cache],
        mil_checkpoint: dict[int, CheckpointHandle],
        labels: dg.ResourceParam[LabelSource],
        photos: dg.ResourceParam[PhotoSource],
        settings: dg.ResourceParam[Settings],
        documents: dg.ResourceParam[Archive],
    ) -> dg.MaterializeResult[Report]:
        """One self-contained page: scores, charts, photos, quarantine, configuration, versions."""
        protocols = _if_there(documents, "protocols")
        model = str(evaluation["headline_model"])
        worst_first = [*photos_by_cost(oof_predictions, data=config.data, model=model).index]
        made = make_report(
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
                labels=label_table,
                album=_album(worst_first, image_manifest, photos, config),
                maps=draw_worst_maps(
                    worst_first[:WORST],
                    oof_predictions,
                    image_manifest,
                    model=model,
                    folds=_held_out(mil_checkpoint, feature_cache),
                    reader=_reader(photos, config),
                    beside=mil.Beside(label_table, config.data.date_column),
                ),
                stages=stages_of(context.instance, n_parts=config.folds.n_folds),
            )
        )
        return dg.MaterializeResult(
            value=made,
            data_version=dg.DataVersion(fingerprint(made.page)),
            metadata={"dagster/size_bytes": len(made.page.encode()), **_figures(made.figures)},
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
    "cache": {"read_from"},
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


def _album(
    worst_first: Sequence[str], manifest: pd.DataFrame, photos: PhotoSource, config: Config
) -> Album:
    """A look at every photo that was predicted."""
    paths = dict(zip(manifest["image_id"], manifest["path"], strict=True))
    reading = reading_of(config, photos)
    return read_album(
        [(image_id, paths[image_id]) for image_id in worst_first],
        photos.open,
        limits=reading.limits,
        threads=reading.threads,
    )


def _reader(photos: PhotoSource, config: Config) -> "PhotoReader":
    from biomass_pipeline.reporting.maps.reading import PhotoReader  # noqa: PLC0415  # loads torch

    return PhotoReader(photos.open, config)


def _held_out(
    handles: Mapping[int, CheckpointHandle], caches: Mapping[int, Cache]
) -> dict[int, HeldOut]:
    """Each fold's photos with the networks that never saw them."""
    return {
        fold: HeldOut(partial(mil.load_fold, handle.folder, handle.fingerprint), caches[fold].load)
        for fold, handle in handles.items()
    }


def _if_there(documents: Archive, name: str) -> Mapping[str, object] | None:
    found: Mapping[str, object] | None = (
        documents.read(name, None) if documents.has(name, None) else None
    )
    return found


def _figures(figures: Sequence[Picture]) -> dict[str, dg.MarkdownMetadataValue]:
    """The figures that are small enough for Dagster's events, by name."""
    return {f.slug: picture_of(f.png, f.alt) for f in figures if len(f.png) < _MOST_PNG_BYTES}
