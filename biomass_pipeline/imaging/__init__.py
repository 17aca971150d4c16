"""Pixels: a photo decoded once into upright 8-bit RGB, and its tiles cut out as uint8.

What counts as a readable photo is decided in `manifest.photograph`, so that the manifest and this
room always agree.
"""

from biomass_pipeline.imaging.decoding import decode
from biomass_pipeline.imaging.tiles import cut_tiles

__all__ = ["cut_tiles", "decode"]
