"""Pixels: a photo decoded once into upright 8-bit RGB, and its tiles cut out as uint8.

What counts as a readable photo, and how its rows are read, is decided in `manifest.photograph`, so
that the manifest and this room always agree.
"""

from biomass_pipeline.imaging.apart import read_tiles_apart
from biomass_pipeline.imaging.decoding import decode, decoder_identity
from biomass_pipeline.imaging.memory import keep_freed_memory
from biomass_pipeline.imaging.quality import LOOK_PX, PhotoQuality, judge_quality
from biomass_pipeline.imaging.reading import TileChunk, read_tiles
from biomass_pipeline.imaging.thumbnail import Thumbnail, read_thumbnail
from biomass_pipeline.imaging.tiles import cut_tiles
from biomass_pipeline.manifest import ReadLimits

__all__ = [
    "LOOK_PX",
    "PhotoQuality",
    "ReadLimits",
    "Thumbnail",
    "TileChunk",
    "cut_tiles",
    "decode",
    "decoder_identity",
    "judge_quality",
    "keep_freed_memory",
    "read_thumbnail",
    "read_tiles",
    "read_tiles_apart",
]
