"""The jobs: one that looks at the sources, then one a stage in the order they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    # Dagster does not export the type that `define_asset_job` returns.
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

STAGES: dict[str, tuple[str, ...]] = {
    "prepare": ("image_manifest", "label_table", "fold_assignment"),
    "extract": ("patch_index", "feature_cache"),
    "train": ("mil_checkpoint", "ridge_baseline", "fold_predictions"),
    "validate": ("protocol_predictions", "protocols"),
    "tune": ("tuning_study", "tuning"),
    "evaluate": ("oof_predictions", "evaluation", "report"),
    # Last: what is wrong with a photo without label, or with a submission, delays no score.
    "predict": ("inference_features", "predictions", "submission"),
}
# Off the way from photos to report, each with its group: they run when they are asked for by name.
OPTIONAL = {"validate": "validation", "tune": "tuning"}
SOURCES = ("raw_images", "raw_labels", "training_config")
_DESCRIPTIONS = {
    "prepare": "Photos and labels to tables: what is there, what is quarantined, which fold.",
    "extract": "Tiles and their features, one partition a fold; only new content is embedded.",
    "train": "Networks, ridge baselines and held-out predictions, one partition a fold.",
    "validate": "Other ways to hold photos out, one partition a protocol, and their comparison.",
    "tune": "A search of the training settings, nested in the folds, and what it recommends.",
    "evaluate": "Pooled out-of-fold predictions, scores beside their floors, and the report.",
    "predict": "Photos without labels: features, predictions by all folds' models, submission.",
}


def jobs() -> list[UnresolvedAssetJobDefinition]:
    """`observe`, then one job a stage."""
    observe = dg.define_asset_job(
        "observe",
        selection=list(SOURCES),
        description="Look at the photos, the label file and the training section for changes.",
    )
    stages = [
        dg.define_asset_job(name, selection=list(assets), description=_DESCRIPTIONS[name])
        for name, assets in STAGES.items()
    ]
    return [observe, *stages]
