import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.tiling import tile_grid
from biomass_pipeline.tiling.grid import shared_before


@st.composite
def specs(draw):
    tile_px = draw(st.integers(8, 24))
    return TilingConfig(
        tile_px=tile_px,
        stride_px=draw(st.integers(1, tile_px)),
        border=draw(st.sampled_from(["clamped", "even"])),
    )


def cover_counts(grid, height, width, tile_px):
    """How many tiles cover each pixel, counted one by one."""
    counts = np.zeros((height, width), dtype=int)
    for row, col in zip(grid.row_px, grid.col_px, strict=True):
        counts[row : row + tile_px, col : col + tile_px] += 1
    return counts


@given(height=st.integers(1, 70), width=st.integers(1, 70), spec=specs())
def test_every_pixel_is_covered_and_no_tile_leaves_the_photo(height, width, spec):
    grid = tile_grid(height, width, spec)
    assert cover_counts(grid, height, width, spec.tile_px).min() >= 1
    for start, extent in ((grid.row_px, height), (grid.col_px, width)):
        assert start.min() >= 0
        assert start.max() + spec.tile_px <= max(extent, spec.tile_px)


@given(height=st.integers(1, 70), width=st.integers(1, 70), spec=specs())
def test_a_weight_is_the_share_of_the_photo_that_its_tile_stands_for(height, width, spec):
    grid = tile_grid(height, width, spec)
    share = 1.0 / cover_counts(grid, height, width, spec.tile_px) / (height * width)
    expected = [
        share[row : row + spec.tile_px, col : col + spec.tile_px].sum()
        for row, col in zip(grid.row_px, grid.col_px, strict=True)
    ]
    np.testing.assert_allclose(grid.area_weight, expected, rtol=1e-6)
    assert grid.area_weight.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@given(height=st.integers(1, 70), width=st.integers(1, 70), spec=specs())
def test_the_valid_fraction_is_the_photo_within_the_tile(height, width, spec):
    photo = np.zeros((max(height, spec.tile_px), max(width, spec.tile_px)))
    photo[:height, :width] = 1
    grid = tile_grid(height, width, spec)
    for row, col, valid in zip(grid.row_px, grid.col_px, grid.valid_fraction, strict=True):
        window = photo[row : row + spec.tile_px, col : col + spec.tile_px]
        assert valid == pytest.approx(window.mean(), rel=1e-6)


@given(height=st.integers(1, 70), width=st.integers(1, 70), spec=specs())
def test_both_borders_need_the_same_number_of_tiles(height, width, spec):
    other = spec.model_copy(update={"border": "even" if spec.border == "clamped" else "clamped"})
    assert len(tile_grid(height, width, spec)) == len(tile_grid(height, width, other))


@given(extent=st.integers(24, 90), tile_px=st.integers(8, 24), stride_px=st.integers(1, 8))
def test_even_starts_are_evenly_spaced_to_the_pixel(extent, tile_px, stride_px):
    spec = TilingConfig(tile_px=tile_px, stride_px=stride_px, border="even")
    steps = np.diff(tile_grid(extent, tile_px, spec).row_px)
    assert steps.size == 0 or np.ptp(steps) <= 1


def test_a_photo_of_the_reference_data_has_fifteen_tiles():
    grid = tile_grid(1000, 2000, TilingConfig())
    assert len(grid) == 15
    assert np.unique(grid.row_px).tolist() == [0, 400, 482]
    assert np.unique(grid.col_px).tolist() == [0, 400, 800, 1200, 1482]
    assert list(zip(grid.row_px, grid.col_px, strict=True))[:2] == [(0, 0), (0, 400)]


def test_types_are_those_of_the_cache():
    grid = tile_grid(30, 30, TilingConfig(tile_px=8, stride_px=8))
    assert [a.dtype.name for a in (grid.row_px, grid.col_px)] == ["int32", "int32"]
    assert [a.dtype.name for a in (grid.area_weight, grid.valid_fraction)] == ["float32"] * 2


def test_a_shared_grid_cannot_be_changed():
    grid = tile_grid(30, 30, TilingConfig(tile_px=8, stride_px=8))
    with pytest.raises(ValueError, match="read-only"):
        grid.row_px[0] = 5


def test_a_photo_without_pixels_is_refused():
    with pytest.raises(ValueError, match="0 x 5 px has no tiles"):
        tile_grid(0, 5, TilingConfig())


def test_pixels_that_windows_share_weigh_less():
    before = shared_before(np.array([0, 2]), np.array([3, 5]), 5)
    assert before.tolist() == [0, 1, 2, 2.5, 3.5, 4.5]
