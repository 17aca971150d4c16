"""Dagster assets, one file a stage: each reads, calls a domain room, and reports."""

import dagster as dg

from biomass_pipeline.assets.blueprint import (
    GPU_POOL,
    Archive,
    BackboneSource,
    Blueprint,
    CheckpointStore,
    FeatureStore,
    FoldLedger,
    LabelSource,
    PhotoSource,
    Reporter,
    Settings,
    Studies,
)
from biomass_pipeline.assets.checking import check_result, earlier_metadata
from biomass_pipeline.assets.door import door_assets
from biomass_pipeline.assets.extraction import contents_of, extraction_assets, tiles_of
from biomass_pipeline.assets.inference import inference_assets, unlabelled_photos
from biomass_pipeline.assets.judgement import judgement_assets
from biomass_pipeline.assets.learning import learning_assets
from biomass_pipeline.assets.lesson import CheckpointHandle, features_of
from biomass_pipeline.assets.prediction import prediction_assets
from biomass_pipeline.assets.sources import source_assets
from biomass_pipeline.assets.tuning import tuning_assets
from biomass_pipeline.assets.validation import validation_assets

__all__ = [
    "GPU_POOL",
    "Archive",
    "BackboneSource",
    "Blueprint",
    "CheckpointHandle",
    "CheckpointStore",
    "FeatureStore",
    "FoldLedger",
    "LabelSource",
    "PhotoSource",
    "Reporter",
    "Settings",
    "Studies",
    "build_assets",
    "check_result",
    "contents_of",
    "earlier_metadata",
    "features_of",
    "tiles_of",
    "unlabelled_photos",
]


def build_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition | dg.SourceAsset]:
    """The whole graph, as the blueprint has it."""
    return [
        *source_assets(blueprint.around, data=blueprint.config.data),
        *door_assets(blueprint),
        *extraction_assets(blueprint),
        *learning_assets(blueprint),
        *prediction_assets(blueprint),
        *inference_assets(blueprint),
        *validation_assets(blueprint),
        *tuning_assets(blueprint),
        *judgement_assets(blueprint),
    ]
