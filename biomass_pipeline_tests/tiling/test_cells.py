"""A tile's weight is divided among its cells exactly as among its pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.tiling import cell_shares, tile_grid


@st.composite
def cut_tiles(draw):
    """Tiling and the bounds of cells in its tiles, some of them narrow."""
    tile_px = draw(st.integers(8, 24))
    stride_px = draw(st.integers(1, tile_px))
    inner = draw(st.sets(st.integers(1, tile_px - 1), max_size=4))
    border = draw(st.sampled_from(["clamped", "even"]))
    spec = TilingConfig(tile_px=tile_px, stride_px=stride_px, border=border)
    return spec, (0, *sorted(inner), tile_px)


def by_pixels(height_px, width_px, spec, bounds):
    """The same shares from a map that says how many tiles cover each pixel."""
    grid = tile_grid(height_px, width_px, spec)
    covered = np.zeros((height_px, width_px))
    side = spec.tile_px
    for row, col in zip(grid.row_px, grid.col_px, strict=True):
        covered[row : row + side, col : col + side] += 1
    shares = []
    for row, col in zip(grid.row_px, grid.col_px, strict=True):
        tile = np.zeros((side, side))
        seen = 1 / covered[row : row + side, col : col + side]
        tile[: seen.shape[0], : seen.shape[1]] = seen
        cells = np.add.reduceat(np.add.reduceat(tile, bounds[:-1], 0), bounds[:-1], 1)
        shares.append(cells.ravel() / tile.sum())
    return np.array(shares)


@given(height_px=st.integers(1, 60), width_px=st.integers(1, 60), cut=cut_tiles())
def test_shares_are_those_of_the_pixels_and_sum_to_1(height_px, width_px, cut):
    spec, bounds = cut
    shares = cell_shares(height_px, width_px, spec, bounds)
    assert np.allclose(shares, by_pixels(height_px, width_px, spec, bounds), atol=1e-12)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-12)


def test_one_cell_is_the_whole_tile():
    spec = TilingConfig(tile_px=8, stride_px=5)
    assert np.array_equal(cell_shares(20, 30, spec, (0, 8)), np.ones((24, 1)))


def test_cells_beyond_a_small_photo_carry_nothing():
    spec = TilingConfig(tile_px=8, stride_px=8)
    assert cell_shares(6, 4, spec, (0, 4, 8)).tolist() == [[4 / 6, 0.0, 2 / 6, 0.0]]


@pytest.mark.parametrize("bounds", [(0,), (0, 7), (1, 8), (0, 5, 5, 8), (0, 6, 4, 8)])
def test_cells_that_do_not_divide_a_tile_are_refused(bounds):
    with pytest.raises(ValueError, match="do not divide a side of 8 px"):
        cell_shares(20, 20, TilingConfig(tile_px=8, stride_px=8), bounds)
