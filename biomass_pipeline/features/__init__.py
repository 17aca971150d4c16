"""Backbones: frozen networks and hand-made statistics that turn tiles into feature rows."""

from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.devices import usable_devices
from biomass_pipeline.features.engine import Block, embed_photos
from biomass_pipeline.features.extraction import (
    Engine,
    PhotoEmbedder,
    Progress,
    embed_here,
    extraction_fingerprint,
    photos_of,
)
from biomass_pipeline.features.lanes import (
    LaneBuilder,
    build_backbone,
    build_lanes,
    measure_precision,
)
from biomass_pipeline.features.photos import Photo, Reading
from biomass_pipeline.features.plugins import BackboneFactory
from biomass_pipeline.features.registry import (
    Listing,
    backbone_identity,
    fetch_weights,
    list_backbones,
)
from biomass_pipeline.features.tokens import cells_of, views_of

__all__ = [
    "Backbone",
    "BackboneFactory",
    "Block",
    "Engine",
    "LaneBuilder",
    "Listing",
    "Photo",
    "PhotoEmbedder",
    "Progress",
    "Reading",
    "backbone_identity",
    "build_backbone",
    "build_lanes",
    "cells_of",
    "embed_here",
    "embed_photos",
    "extraction_fingerprint",
    "fetch_weights",
    "list_backbones",
    "measure_precision",
    "photos_of",
    "usable_devices",
    "views_of",
]
