"""A map adds up to its prediction, whatever the tiles, the cells and the nodata."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.reporting.maps.photo_map import edges_to_count, raster_edges
from biomass_pipeline.reporting.maps.tile_map import TileMap, density_of, picture_edges
from biomass_pipeline.tiling import ValidPixels, tile_grid
from biomass_pipeline_tests.tiling.test_overlap import boxes_of
from biomass_pipeline_tests.tiling.test_validity import masks, picture_of, specs


def map_of(boxes, size_px, values, *, mask=None, cell_px=5):
    valid = None
    if mask is not None:
        valid = ValidPixels.of(picture_of(mask), *edges_to_count(boxes, size_px, cell_px))
    return TileMap(*size_px, boxes, np.asarray(values), "contribution", "total_g", valid=valid)


@given(mask=masks(), spec=specs(), seed=st.integers(0, 99), cell_px=st.integers(1, 9))
def test_the_map_adds_up_to_the_prediction(mask, spec, seed, cell_px):
    boxes = boxes_of(tile_grid(*mask.shape, spec), spec.tile_px)
    values = np.random.default_rng(seed).random(len(boxes)) * 50
    for seen in (None, mask):
        found = map_of(boxes, mask.shape, values, mask=seen, cell_px=cell_px)
        for edges in (raster_edges(mask.shape, cell_px), picture_edges(boxes, mask.shape)):
            grid = found.grid(*edges)
            assert grid.amounts.sum() == pytest.approx(values.sum(), rel=1e-9)
            assert (grid.amounts >= 0).all()
            assert (np.isnan(grid.density) == (grid.valid_px == 0)).all()
            assert grid.valid_px.sum() == (mask.size if seen is None else mask.sum())


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_halves_add_up_on_a_disjoint_grid(n_rows, n_cols, seed):
    spec = TilingConfig(tile_px=8, stride_px=8)
    size_px = (8 * n_rows, 16 * n_cols)
    boxes = boxes_of(tile_grid(*size_px, spec), 8)
    values = np.random.default_rng(seed).random(len(boxes))
    whole = map_of(boxes, size_px, values).grid(*raster_edges(size_px, 4))
    left = boxes[:, 1] < size_px[1] // 2
    half = map_of(boxes[left], (size_px[0], size_px[1] // 2), values[left])
    part = half.grid(*raster_edges((half.height_px, half.width_px), 4))
    n = part.density.shape[1]
    np.testing.assert_allclose(whole.amounts[:, :n], part.amounts, rtol=1e-9)
    assert whole.amounts[:, n:].sum() == pytest.approx(values[~left].sum())


def test_on_disjoint_cells_each_cell_is_its_tile():
    boxes = boxes_of(tile_grid(16, 24, TilingConfig(tile_px=8, stride_px=8)), 8)
    found = map_of(boxes, (16, 24), [1.0, 2, 3, 4, 5, 6])
    grid = found.grid(*picture_edges(boxes, (16, 24)))
    np.testing.assert_allclose(grid.amounts, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(grid.density, grid.amounts * 6)


def test_where_tiles_overlap_a_pixel_has_their_mean():
    boxes = np.array([[0, 0, 4, 6], [0, 2, 4, 6]])
    grid = map_of(boxes, (4, 8), [1.0, 3.0]).grid(np.array([0, 4]), np.array([0, 2, 6, 8]))
    assert grid.density.tolist() == [[2.0, 4.0, 6.0]]


@given(spec=specs(), seed=st.integers(0, 99))
def test_the_order_of_tiles_changes_nothing(spec, seed):
    chance = np.random.default_rng(seed)
    boxes = boxes_of(tile_grid(30, 33, spec), spec.tile_px)
    values, order = chance.random(len(boxes)), chance.permutation(len(boxes))
    edges = raster_edges((30, 33), 4)
    one, other = map_of(boxes, (30, 33), values), map_of(boxes[order], (30, 33), values[order])
    np.testing.assert_allclose(one.grid(*edges).density, other.grid(*edges).density, rtol=1e-9)


def test_what_falls_where_nothing_is_valid_is_spread_evenly():
    boxes = np.array([[0, 0, 4, 4], [0, 4, 4, 4], [0, 8, 4, 4], [4, 0, 4, 4]])
    mask = np.ones((4, 12), bool)
    mask[:, :4] = False
    found = map_of(boxes, (4, 12), [2.0, 1.0, 3.0, 6.0], mask=mask, cell_px=4)
    grid = found.grid(*raster_edges((4, 12), 4))
    assert grid.amounts.tolist() == [[0.0, 5.0, 7.0]]
    assert np.isnan(grid.density[0, 0])


def test_nothing_is_nothing():
    assert density_of(np.zeros(2), np.array([0.5, 0.5])).tolist() == [0.0, 0.0]


def test_a_picture_has_as_many_cells_as_there_are_tiles():
    boxes = np.array([[0, 0, 5, 5], [0, 4, 5, 5], [3, 0, 5, 5], [3, 4, 5, 5], [8, 0, 5, 5]])
    rows, cols = picture_edges(boxes, (8, 9))
    assert (rows.tolist(), cols.tolist()) == ([0, 4, 8], [0, 4, 9])
