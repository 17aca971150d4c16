import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.imaging import cut_tiles
from biomass_pipeline.tiling import tile_grid

TILE_PX = 8
SPEC = TilingConfig(tile_px=TILE_PX, stride_px=5)


def numbered(height, width):
    """A photo whose pixels tell where they are."""
    rows, cols = np.mgrid[:height, :width]
    return np.stack([rows, cols, rows ^ cols], axis=-1).astype(np.uint8)


@given(st.integers(TILE_PX, 40), st.integers(TILE_PX, 40))
def test_tiles_laid_back_give_the_photo(height, width):
    image, grid = numbered(height, width), tile_grid(height, width, SPEC)
    tiles = cut_tiles(image, grid.row_px, grid.col_px, TILE_PX)
    back = np.zeros_like(image)
    for tile, row, col in zip(tiles, grid.row_px, grid.col_px, strict=True):
        back[row : row + TILE_PX, col : col + TILE_PX] = tile
    np.testing.assert_array_equal(back, image)


@given(st.integers(1, TILE_PX - 1), st.integers(1, 30))
def test_a_small_photo_is_continued_by_its_own_pixels(height, width):
    image, grid = numbered(height, width), tile_grid(height, width, SPEC)
    tiles = cut_tiles(image, grid.row_px, grid.col_px, TILE_PX)
    assert tiles.shape == (len(grid), TILE_PX, TILE_PX, 3)
    known = {tuple(pixel) for pixel in image.reshape(-1, 3)}
    assert {tuple(pixel) for pixel in tiles.reshape(-1, 3)} == known


def test_reflection_mirrors_at_the_last_row():
    tile = cut_tiles(numbered(6, 8), np.array([0]), np.array([0]), TILE_PX)[0]
    assert tile[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 4, 3]


def test_tiles_are_copies():
    image = numbered(8, 8)
    cut_tiles(image, np.array([0]), np.array([0]), TILE_PX)[:] = 99
    np.testing.assert_array_equal(image, numbered(8, 8))


def test_no_tile_is_an_empty_batch():
    nothing = np.array([], dtype=np.int32)
    assert cut_tiles(numbered(9, 9), nothing, nothing, TILE_PX).shape == (0, TILE_PX, TILE_PX, 3)


@pytest.mark.parametrize(("row", "col"), [(-1, 0), (0, -1), (3, 0), (0, 3)])
def test_a_tile_outside_is_refused(row, col):
    with pytest.raises(ValueError, match="a tile of 8 px leaves the photo of 10 x 10 px"):
        cut_tiles(numbered(10, 10), np.array([row]), np.array([col]), TILE_PX)
