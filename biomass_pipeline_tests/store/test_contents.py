"""A tile's rows: its cells' corners and their share of its weight, view by view."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.errors import StaleTilesError
from biomass_pipeline.store import FoldContents
from biomass_pipeline.tiling import cell_shares, tile_grid

TILING = TilingConfig(tile_px=8, stride_px=6)


def index_of(*sizes, keep=slice(None)):
    """The `patch_index` of photos of these sizes."""
    parts = []
    for photo, (height_px, width_px) in enumerate(sizes):
        grid = tile_grid(height_px, width_px, TILING)
        part = pd.DataFrame({"row_px": grid.row_px, "col_px": grid.col_px})
        part = part.assign(area_weight=grid.area_weight, valid_fraction=grid.valid_fraction)
        part = part.assign(height_px=height_px, width_px=width_px)
        part = part.assign(image_id=f"p{photo}", image_sha256=f"c{photo}", path=f"p{photo}.png")
        parts.append(part.iloc[keep])
    return pd.concat(parts, ignore_index=True)


def expanded(*sizes, cells=(0, 4, 8), views=1, **options):
    table = index_of(*sizes, **options)
    return FoldContents.from_patch_index(table, tiling=TILING, cells=cells, views=views)


def test_without_cells_a_tile_is_a_row():
    plain, one = FoldContents.from_patch_index(index_of((20, 14))), expanded((20, 14), cells=(0, 8))
    for contents in (plain, one):
        assert contents.rows_per_tile == 1
        assert np.array_equal(contents.coords, contents.tiles)
        assert np.array_equal(contents.tile_coords(0), contents.tiles)


def test_rows_of_a_tile_are_view_by_view_and_cells_row_by_row():
    contents = expanded((8, 8), views=2)
    assert contents.rows_per_tile == 8
    assert contents.coords.tolist() == [[0, 0], [0, 4], [4, 0], [4, 4]] * 2
    assert contents.area_weight.tolist() == [1 / 8] * 8
    assert contents.offsets.tolist() == [0, 8]
    assert contents.tile_coords(0).tolist() == [[0, 0]]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=4),
    views=st.integers(1, 3),
    inner=st.sets(st.integers(1, 7), max_size=3),
)
def test_rows_carry_their_cells_share_and_sum_to_1_a_photo(sizes, views, inner):
    cells = (0, *sorted(inner), 8)
    contents = expanded(*sizes, cells=cells, views=views) if sizes else fold_without_photos()
    for photo, size in enumerate(sizes):
        grid, shares = tile_grid(*size, TILING), cell_shares(*size, TILING, cells)
        weight = contents.area_weight[contents.rows(photo)].reshape(len(grid), views, -1)
        expected = grid.area_weight[:, None, None] * shares[:, None] / views
        assert np.allclose(weight, expected, rtol=1e-6, atol=0)
        assert np.isclose(weight.sum(), 1, atol=1e-5)
    assert (
        contents.n_patches == len(contents.coords) == len(contents.tiles) * contents.rows_per_tile
    )


def fold_without_photos():
    return FoldContents.from_patch_index(index_of((8, 8)).iloc[:0], tiling=TILING, cells=(0, 4, 8))


def test_tiles_that_were_dropped_leave_the_shares_of_the_others():
    whole, few = expanded((20, 20)), expanded((20, 20), keep=slice(2, None, 2))
    assert np.array_equal(few.tiles, whole.tiles[2::2])
    shares = whole.area_weight.reshape(-1, 4)[2::2]
    assert np.array_equal(few.area_weight.reshape(-1, 4), shares)


def test_what_is_left_out_leaves_the_rows_of_the_others():
    whole = expanded((20, 8), (8, 8), (8, 20))
    left = whole.without({1})
    assert left.image_ids == ("p0", "p2")
    assert left.paths == ("p0.png", "p2.png")
    assert np.array_equal(left.tile_coords(1), whole.tile_coords(2))
    assert np.array_equal(left.coords[left.rows(1)], whole.coords[whole.rows(2)])
    assert np.array_equal(left.area_weight[left.rows(0)], whole.area_weight[whole.rows(0)])
    assert left.n_patches == len(left.coords)


def test_cells_without_the_tiling_are_refused():
    with pytest.raises(ValueError, match="cells need the tiling"):
        FoldContents.from_patch_index(index_of((8, 8)), cells=(0, 4, 8))


def test_tiles_of_another_tiling_are_refused():
    table = index_of((20, 20)).assign(row_px=lambda tiles: tiles["row_px"] + 1)
    with pytest.raises(StaleTilesError, match=r"made with another tiling\. Run `biomass run`"):
        FoldContents.from_patch_index(table, tiling=TILING, cells=(0, 4, 8))


def partly_nodata(**columns):
    """Two tiles, the second half nodata."""
    return index_of((8, 14)).assign(valid_fraction=[1.0, 0.5], **columns)


def test_cells_of_nodata_carry_nothing(tmp_path):
    table = partly_nodata(area_weight=[0.75, 0.25], cell_shares=[None, [0.0, 0.25, 0.0, 0.75]])
    table.to_parquet(tmp_path / "tiles.parquet")
    for found in (table, pd.read_parquet(tmp_path / "tiles.parquet")):
        contents = FoldContents.from_patch_index(found, tiling=TILING, cells=(0, 4, 8), views=2)
        weight = contents.area_weight.reshape(2, 2, 4)
        whole = cell_shares(8, 14, TILING, (0, 4, 8))[0]
        np.testing.assert_allclose(weight[0], [0.75 * whole / 2] * 2, rtol=1e-6)
        assert (weight[1] == np.float32([0, 0.03125, 0, 0.09375])).all()


@pytest.mark.parametrize("columns", [{}, {"cell_shares": [None, [0.5, 0.5]]}])
def test_nodata_without_the_shares_of_these_cells_is_refused(columns):
    with pytest.raises(StaleTilesError, match=r"made for other `backbone\.tokens`\. Run `biomass"):
        FoldContents.from_patch_index(partly_nodata(**columns), tiling=TILING, cells=(0, 4, 8))


def test_whole_tiles_need_no_shares():
    contents = FoldContents.from_patch_index(partly_nodata(), tiling=TILING, cells=(0, 8))
    assert contents.area_weight.tolist() == partly_nodata()["area_weight"].tolist()
