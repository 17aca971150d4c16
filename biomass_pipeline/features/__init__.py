"""Backbones: frozen networks and hand-made statistics that turn tiles into feature rows."""

from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.engine import Photo, Progress, Workers, embed_photos
from biomass_pipeline.features.extraction import (
    PhotoEmbedder,
    extraction_fingerprint,
    photos_of,
)
from biomass_pipeline.features.registry import backbone_identity, build_backbone, fetch_weights

__all__ = [
    "Backbone",
    "Photo",
    "PhotoEmbedder",
    "Progress",
    "Workers",
    "backbone_identity",
    "build_backbone",
    "embed_photos",
    "extraction_fingerprint",
    "fetch_weights",
    "photos_of",
]
