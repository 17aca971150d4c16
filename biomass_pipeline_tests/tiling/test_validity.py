"""What nodata leaves of the tiles, against a pixel map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.manifest import Band, Picture
from biomass_pipeline.manifest.orientation import ORIENTATIONS
from biomass_pipeline.tiling import cell_shares, tile_grid, valid_grid


@st.composite
def specs(draw):
    tile_px = draw(st.integers(8, 16))
    return TilingConfig(
        tile_px=tile_px,
        stride_px=draw(st.integers(1, tile_px)),
        border=draw(st.sampled_from(["clamped", "even"])),
    )


@st.composite
def masks(draw):
    """Valid pixels of an upright photo: none but blobs and single ones, or all but these."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    mask = rng.random((height, width)) < draw(st.sampled_from([0.0, 0.01, 0.5]))
    row, col = rng.integers(0, height), rng.integers(0, width)
    mask[row : row + rng.integers(1, 30), col : col + rng.integers(1, 30)] = True
    return mask if draw(st.booleans()) or mask.all() else ~mask


def picture_of(mask, *, number=1, step=7):
    """A photo with this mask of valid pixels, stored as the orientation says, in bands."""
    orientation = ORIENTATIONS[number]
    # Each of the eight turns is undone by itself, but for the two quarter turns.
    stored = ORIENTATIONS[{6: 8, 8: 6}.get(number, number)].upright(mask)
    bands = (
        Band(row, "L", np.zeros((*piece.shape, 1), np.uint8), ~piece)
        for row in range(0, len(stored), step)
        for piece in [stored[row : row + step]]
    )
    return Picture(stored.shape, orientation, bands)


def pixel_map(mask, grid, tile_px):
    """(share of the valid area, valid pixels) of each tile of the whole grid, pixel by pixel."""
    covered = np.zeros(mask.shape)
    windows = [
        (slice(row, row + tile_px), slice(col, col + tile_px))
        for row, col in zip(grid.row_px, grid.col_px, strict=True)
    ]
    for window in windows:
        covered[window] += 1
    share = mask / covered / mask.sum()
    return np.array([(share[window].sum(), mask[window].sum()) for window in windows]).T


@given(mask=masks(), spec=specs(), number=st.sampled_from(list(ORIENTATIONS)))
def test_tiles_stand_for_their_valid_area(mask, spec, number):
    grid = tile_grid(*mask.shape, spec)
    share, n_valid = pixel_map(mask, grid, spec.tile_px)
    kept, found, _ = valid_grid(picture_of(mask, number=number), spec)
    np.testing.assert_array_equal(kept, np.flatnonzero(n_valid))
    np.testing.assert_array_equal(found.row_px, grid.row_px[kept])
    np.testing.assert_array_equal(found.col_px, grid.col_px[kept])
    np.testing.assert_allclose(found.area_weight, share[kept], rtol=1e-6)
    np.testing.assert_allclose(found.valid_fraction, n_valid[kept] / spec.tile_px**2, rtol=1e-6)
    assert found.area_weight.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@given(height=st.integers(1, 60), width=st.integers(1, 60), spec=specs())
def test_where_all_is_valid_nothing_changes(height, width, spec):
    grid = tile_grid(height, width, spec)
    kept, found, _ = valid_grid(picture_of(np.ones((height, width), bool)), spec)
    assert kept.tolist() == list(range(len(grid)))
    np.testing.assert_allclose(found.area_weight, grid.area_weight, rtol=1e-6)
    np.testing.assert_array_equal(found.valid_fraction, grid.valid_fraction)


@given(mask=masks(), spec=specs(), steps=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_how_the_rows_come_does_not_matter(mask, spec, steps):
    first, second = (valid_grid(picture_of(mask, step=step), spec).grid for step in steps)
    np.testing.assert_array_equal(first.area_weight, second.area_weight)


def test_types_are_those_of_the_whole_grid():
    mask = np.eye(20, dtype=bool)
    spec = TilingConfig(tile_px=8, stride_px=6)
    found = valid_grid(picture_of(mask), spec).grid
    whole = tile_grid(20, 20, spec)
    for name in ("row_px", "col_px", "area_weight", "valid_fraction"):
        assert getattr(found, name).dtype == getattr(whole, name).dtype


def test_a_photo_without_a_valid_pixel_has_no_tiles():
    with pytest.raises(ValueError, match="without a valid pixel has no tiles"):
        valid_grid(picture_of(np.zeros((9, 9), bool)), TilingConfig(tile_px=8, stride_px=6))


def shares_by_pixels(mask, spec, bounds):
    """Each tile's share of its valid pixels' weight in each cell, from a pixel map."""
    grid, side = tile_grid(*mask.shape, spec), spec.tile_px
    windows = [
        (slice(row, row + side), slice(col, col + side))
        for row, col in zip(grid.row_px, grid.col_px, strict=True)
    ]
    covered = np.zeros(mask.shape)
    for window in windows:
        covered[window] += 1
    for window in windows:
        seen = mask[window] / covered[window]
        tile = np.zeros((side, side))
        tile[: seen.shape[0], : seen.shape[1]] = seen
        cells = np.add.reduceat(np.add.reduceat(tile, bounds[:-1], 0), bounds[:-1], 1)
        yield cells.ravel(), mask[window].all()


@given(
    mask=masks(),
    spec=specs(),
    inner=st.sets(st.integers(1, 7), max_size=3),
    number=st.sampled_from(list(ORIENTATIONS)),
)
def test_cells_share_a_tile_by_their_valid_pixels(mask, spec, inner, number):
    bounds = (0, *sorted(inner), spec.tile_px)
    picture = picture_of(mask, number=number)
    kept, found, shares = valid_grid(picture, spec, bounds)
    plain = valid_grid(picture_of(mask, number=number), spec)
    np.testing.assert_array_equal(kept, plain.kept)
    np.testing.assert_array_equal(found.area_weight, plain.grid.area_weight)
    expected = list(shares_by_pixels(mask, spec, bounds))
    assert len(shares) == len(kept)
    for place, own in zip(kept, shares, strict=True):
        weights, all_valid = expected[place]
        assert (own is None) == all_valid
        used = cell_shares(*mask.shape, spec, bounds)[place] if own is None else own
        np.testing.assert_allclose(used, weights / weights.sum(), rtol=1e-9, atol=1e-12)
        assert (used[weights == 0] == 0).all()


def test_without_cells_no_tile_has_shares_of_its_own():
    mask = np.eye(20, dtype=bool)
    tiles = valid_grid(picture_of(mask), TilingConfig(tile_px=8, stride_px=6))
    assert tiles.cell_shares == [None] * len(tiles.kept)


def test_cells_that_do_not_divide_a_tile_are_refused():
    with pytest.raises(ValueError, match="do not divide a side of 8 px"):
        valid_grid(picture_of(np.eye(9, dtype=bool)), TilingConfig(tile_px=8, stride_px=8), (0, 7))
