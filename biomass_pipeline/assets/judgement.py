"""Judgement: pooled out-of-fold predictions, scores beside their floors, and the report."""

import base64
from collections.abc import Mapping

import dagster as dg
import pandas as pd

from biomass_pipeline.assets.blueprint import (
    Blueprint,
    LabelSource,
    Settings,
    markdown_table,
    table_result,
)
from biomass_pipeline.config import fingerprint
from biomass_pipeline.evaluation import evaluate, pool_predictions
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
_POOL_CODE, _METRICS_CODE, _REPORT_CODE = "1", "1", "1"


def judgement_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`oof_predictions`, `evaluation` and `report`."""
    config = blueprint.config

    @blueprint.asset(_GROUP, code=_POOL_CODE, kinds={"parquet", "pandas"})
    def oof_predictions(
        fold_predictions: dict[int, pd.DataFrame],
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Every labelled photo, predicted once by each kind of model that never saw it."""
        photos = with_refusals(
            label_table[["image_id"]].assign(status="ok", reason=""), _refused(feature_cache)
        )
        check_quarantine(photos, limit=config.data.max_quarantined_fraction)
        table = pool_predictions(
            [fold_predictions[fold] for fold in sorted(fold_predictions)],
            labels=label_table[photos["status"] == "ok"],
        )
        plot = predicted_against_measured(table, data=config.data, model="mil")
        return table_result(table, predicted_against_measured=_image(plot))

    @blueprint.asset(
        _GROUP,
        code=_METRICS_CODE,
        decides=[config.data.model_dump(mode="json", exclude=_LOCATIONS), config.evaluation],
        kinds={"json"},
        io_manager_key="documents",
    )
    def evaluation(
        oof_predictions: pd.DataFrame, label_table: pd.DataFrame
    ) -> dg.MaterializeResult[dict[str, object]]:
        """Global weighted R2 and per-target scores, each beside the floor it has to beat."""
        result = evaluate(
            oof_predictions,
            label_table,
            data=config.data,
            level=config.evaluation.interval_level,
        )
        return dg.MaterializeResult(
            value=result.metrics,
            data_version=dg.DataVersion(fingerprint(result.metrics)),
            metadata={
                "scores": dg.MetadataValue.md(markdown_table(result.score_table())),
                "images": result.metrics["n_images"],
                "groups": result.metrics["n_groups"],
            },
        )

    @blueprint.asset(
        _GROUP,
        code=_REPORT_CODE,
        decides=[
            config.model_dump(mode="json", exclude={"compute", "training"}),
            package_versions(),
        ],
        kinds={"html"},
        io_manager_key="documents",
        deps=["raw_labels", "training_config"],
    )
    def report(
        evaluation: dict[str, object],
        oof_predictions: pd.DataFrame,
        image_manifest: pd.DataFrame,
        feature_cache: dict[int, Cache],
        labels: dg.ResourceParam[LabelSource],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult[str]:
        """One self-contained page: scores, figures, quarantine, configuration, versions."""
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
            )
        )
        return dg.MaterializeResult(
            value=page,
            data_version=dg.DataVersion(fingerprint(page)),
            metadata={"dagster/size_bytes": len(page.encode())},
        )

    return [oof_predictions, evaluation, report]


_LOCATIONS = {"images", "labels"}


def _refused(caches: Mapping[int, Cache]) -> dict[str, str]:
    """The reason of each photo that could not be embedded, by its id."""
    return {p.image_id: p.reason for fold in sorted(caches) for p in caches[fold].quarantined()}


def _image(png: bytes) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(
        f"![predicted against measured](data:image/png;base64,{base64.b64encode(png).decode()})"
    )
