"""Tile geometry: where the windows of a photo lie and what share of it each stands for.

Pure arithmetic on sizes and on which pixels are valid; no file is opened here.
"""

from biomass_pipeline.tiling.cells import cell_shares
from biomass_pipeline.tiling.coverage import uncovered_photos
from biomass_pipeline.tiling.grid import TileGrid, tile_grid
from biomass_pipeline.tiling.index import n_grid_tiles, patch_index
from biomass_pipeline.tiling.overlap import Overlap
from biomass_pipeline.tiling.valid_pixels import ValidPixels
from biomass_pipeline.tiling.validity import valid_grid

__all__ = [
    "Overlap",
    "TileGrid",
    "ValidPixels",
    "cell_shares",
    "n_grid_tiles",
    "patch_index",
    "tile_grid",
    "uncovered_photos",
    "valid_grid",
]
