"""How tiles lie on each other, against a pixel map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.tiling import Overlap, ValidPixels, tile_grid, valid_grid
from biomass_pipeline_tests.tiling.test_validity import masks, picture_of, specs


def boxes_of(grid, tile_px):
    corners = np.stack([grid.row_px, grid.col_px], axis=1)
    return np.concatenate([corners, np.full_like(corners, tile_px)], axis=1).astype(np.int64)


def painted(overlap, pieces):
    """Values of pieces at each pixel."""
    sizes = np.diff(overlap.row_edges), np.diff(overlap.col_edges)
    return np.repeat(np.repeat(pieces, sizes[0], axis=0), sizes[1], axis=1)


@given(height=st.integers(1, 60), width=st.integers(1, 60), spec=specs())
def test_tiles_stand_for_what_the_grid_says(height, width, spec):
    grid = tile_grid(height, width, spec)
    overlap = Overlap.of(boxes_of(grid, spec.tile_px), (height, width))
    np.testing.assert_allclose(overlap.weights(), grid.area_weight, rtol=1e-6)


@given(mask=masks(), spec=specs(), number=st.sampled_from([1, 6]))
def test_with_nodata_they_stand_for_what_the_valid_grid_says(mask, spec, number):
    kept, grid, _ = valid_grid(picture_of(mask), spec)
    overlap = Overlap.of(boxes_of(grid, spec.tile_px), mask.shape)
    valid = ValidPixels.of(picture_of(mask, number=number), overlap.row_edges, overlap.col_edges)
    counts = valid.between(overlap.row_edges, overlap.col_edges)
    np.testing.assert_allclose(overlap.weights(counts), grid.area_weight, rtol=1e-6)
    # The tiles that hold nothing stand for nothing, exactly.
    whole = Overlap.of(boxes_of(tile_grid(*mask.shape, spec), spec.tile_px), mask.shape)
    valid = ValidPixels.of(picture_of(mask), whole.row_edges, whole.col_edges)
    weights = whole.weights(valid.between(whole.row_edges, whole.col_edges))
    assert np.flatnonzero(weights).tolist() == kept.tolist()


@given(mask=masks(), spec=specs(), seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 40)))
def test_a_pixel_has_the_mean_of_its_tiles_and_their_sum_is_kept(mask, spec, seed, cuts):
    grid = tile_grid(*mask.shape, spec)
    boxes = boxes_of(grid, spec.tile_px)
    values = np.random.default_rng(seed).random(len(grid))
    total, depth = np.zeros(mask.shape), np.zeros(mask.shape)
    for (row, col, height, width), value in zip(boxes.tolist(), values, strict=True):
        total[row : row + height, col : col + width] += value
        depth[row : row + height, col : col + width] += 1
    overlap = Overlap.of(boxes, mask.shape, cuts=(cuts, cuts))
    pieces = overlap.blended(values)
    np.testing.assert_allclose(painted(overlap, pieces), total / depth, rtol=1e-12)
    valid = ValidPixels.of(picture_of(mask), overlap.row_edges, overlap.col_edges)
    counts = valid.between(overlap.row_edges, overlap.col_edges)
    mean = (pieces * counts).sum() / counts.sum()
    assert mean == pytest.approx(values @ overlap.weights(counts), rel=1e-9)


@given(spec=specs(), seed=st.integers(0, 99))
def test_the_order_of_tiles_changes_nothing(spec, seed):
    chance = np.random.default_rng(seed)
    boxes = boxes_of(tile_grid(33, 41, spec), spec.tile_px)
    values, order = chance.random(len(boxes)), chance.permutation(len(boxes))
    one, other = (Overlap.of(some, (33, 41)) for some in (boxes, boxes[order]))
    np.testing.assert_allclose(one.weights()[order], other.weights(), rtol=1e-9)
    np.testing.assert_allclose(one.blended(values), other.blended(values[order]), rtol=1e-12)


def test_a_tile_outside_the_photo_stands_for_nothing():
    boxes = np.array([[0, 0, 4, 4], [6, 0, 4, 4], [0, 4, 8, 4]])
    overlap = Overlap.of(boxes, (4, 8))
    assert overlap.weights().tolist() == [0.5, 0.0, 0.5]
    assert overlap.blended(np.array([1.0, 50.0, 3.0])).tolist() == [[1.0, 3.0]]


def test_where_no_tile_lies_there_is_nothing():
    overlap = Overlap.of(np.array([[0, 0, 4, 2]]), (4, 4))
    assert overlap.blended(np.array([3.0])).tolist() == [[3.0, 0.0]]


def test_a_photo_without_a_valid_pixel_has_no_map():
    overlap = Overlap.of(np.array([[0, 0, 4, 4]]), (4, 4))
    with pytest.raises(ValueError, match="without a valid pixel"):
        overlap.weights(np.zeros((1, 1), np.int64))
