"""Maps of tiny photos, on tiles that overlap."""

from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.reporting.maps import Georeference, PhotoMap, Tiles
from biomass_pipeline.reporting.maps.photo_map import edges_to_count
from biomass_pipeline.tiling import ValidPixels, tile_grid
from biomass_pipeline_tests.tiling.test_validity import picture_of

TILING = TilingConfig(tile_px=8, stride_px=6)
UNITS = {"green_g": "g", "dead_g": "g", "total_g": "g", "cover": "share"}
SIZE_PX = (20, 29)
# Half a metre a pixel, in Victoria, Australia.
PLACE = Georeference("EPSG:32755", (0.5, 0.0, 600_000.0, 0.0, -0.5, 6_000_000.0))
CELL_PX = 3


def tiles_of(size_px=SIZE_PX, *, seed=0, tiling=TILING, kind="contribution"):
    """Tiles with random parts of two components, their sum and a share."""
    grid = tile_grid(*size_px, tiling)
    corners = np.stack([grid.row_px, grid.col_px], axis=1)
    boxes = np.concatenate([corners, np.full_like(corners, tiling.tile_px)], axis=1)
    green, dead, cover = np.random.default_rng(seed).random((3, len(grid)))
    parts = {"green_g": green, "dead_g": dead, "total_g": green + dead, "cover": cover}
    return Tiles(boxes.astype(np.int64), parts, UNITS, kind)


def photo_of(tiles=None, size_px=SIZE_PX, *, mask=None, cell_px=CELL_PX, place=None):
    """The maps of a photo; a mask says which of its pixels are valid."""
    tiles = tiles or tiles_of(size_px)
    valid = None
    if mask is not None:
        valid = ValidPixels.of(picture_of(mask), *edges_to_count(tiles.boxes, size_px, cell_px))
    return PhotoMap.of(
        "a/photo",
        size_px,
        tiles,
        quadrat_area_m2=0.5,
        cell_px=cell_px,
        georeference=place,
        valid=valid,
    )


def border(size_px=SIZE_PX):
    """Valid pixels of a photo with a border of nodata, aslant."""
    row, col = np.indices(size_px)
    return (row + 0.4 * col > 9) & (col < size_px[1] - 4)


@pytest.fixture
def plain():
    return photo_of()


@pytest.fixture
def placed():
    return photo_of(mask=border(), place=PLACE)


def with_even_tiles(tiles):
    """The same tiles, all alike to the networks: each has its share of the area."""
    return replace(tiles, parts={name: np.ones(len(tiles.boxes)) for name in tiles.parts})
