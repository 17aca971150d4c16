"""Tile geometry: where the windows of a photo lie and what share of it each stands for.

Pure arithmetic on sizes; no pixel is read here.
"""

from biomass_pipeline.tiling.grid import TileGrid, tile_grid
from biomass_pipeline.tiling.index import patch_index

__all__ = ["TileGrid", "patch_index", "tile_grid"]
