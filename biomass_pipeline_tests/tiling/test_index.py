from contextlib import contextmanager

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.manifest import Band, Picture
from biomass_pipeline.manifest.orientation import Orientation
from biomass_pipeline.tiling import n_grid_tiles, patch_index, tile_grid

SPEC = TilingConfig(tile_px=8, stride_px=6)


def photos(sizes):
    return pd.DataFrame(
        {
            "image_id": [f"photo{i}" for i in range(len(sizes))],
            "path": [f"photo{i}.png" for i in range(len(sizes))],
            "sha256": [f"{i:064x}" for i in range(len(sizes))],
            "height_px": [height for height, _ in sizes],
            "width_px": [width for _, width in sizes],
        },
        # Rows of a filtered table keep their labels; positions must be used.
        index=range(100, 100 + len(sizes)),
    )


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=6))
def test_each_photo_has_its_own_grid_in_the_order_given(sizes):
    images = photos(sizes)
    table = patch_index(images, SPEC)
    assert table["image_id"].drop_duplicates().tolist() == images["image_id"].tolist()
    for (height, width), (_, tiles) in zip(
        sizes, table.groupby("image_id", sort=False), strict=True
    ):
        grid = tile_grid(height, width, SPEC)
        assert tiles["tile"].tolist() == list(range(len(grid)))
        for name in ("row_px", "col_px", "area_weight", "valid_fraction"):
            np.testing.assert_array_equal(tiles[name], getattr(grid, name))


def test_path_and_content_go_with_every_tile():
    images = photos([(8, 20), (8, 8)])
    table = patch_index(images, SPEC).drop_duplicates(["image_id", "path", "image_sha256"])
    assert table["path"].tolist() == images["path"].tolist()
    assert table["image_sha256"].tolist() == images["sha256"].tolist()


def test_size_goes_with_every_tile():
    sizes = photos([(8, 20), (9, 8)]).drop_duplicates("image_id")
    table = patch_index(sizes, SPEC).drop_duplicates("image_id")
    assert table[["height_px", "width_px"]].to_numpy().tolist() == [[8, 20], [9, 8]]


@contextmanager
def right_half():
    """A photo of 8 x 20 px whose first 12 columns are nodata."""
    nodata = np.zeros((8, 20), bool)
    nodata[:, :12] = True
    band = Band(0, "RGB", np.zeros((8, 20, 3), np.uint8), nodata)
    yield Picture((8, 20), Orientation(), iter([band]))


def test_only_photos_with_nodata_are_read_and_lose_tiles():
    images = photos([(8, 20), (8, 20)]).assign(valid_fraction=[1.0, 0.4])
    asked = []

    def opened(path, sha256):
        asked.append((path, sha256))
        return right_half()

    table = patch_index(images, SPEC, validity=opened)
    assert asked == [("photo1.png", f"{1:064x}")]
    whole = patch_index(images, SPEC)
    pd.testing.assert_frame_equal(
        table[table["image_id"] == "photo0"], whole[whole["image_id"] == "photo0"]
    )
    left = table[table["image_id"] == "photo1"]
    assert left[["tile", "col_px"]].to_numpy().tolist() == [[1, 6], [2, 12]]
    # Columns 12 and 13 are shared by the two tiles, 14 to 19 are the second's alone.
    assert left["area_weight"].tolist() == [0.125, 0.875]
    assert n_grid_tiles(images, SPEC) - len(table) == 1


def test_types_are_the_same_without_a_photo():
    empty = patch_index(photos([]), SPEC)
    assert len(empty) == 0
    assert empty.dtypes.tolist() == patch_index(photos([(20, 20)]), SPEC).dtypes.tolist()
    assert empty.dtypes.astype(str).to_dict()["row_px"] == "int32"


def test_a_tile_that_is_partly_nodata_says_what_its_cells_share():
    images = photos([(8, 20), (8, 20)]).assign(valid_fraction=[1.0, 0.4])
    table = patch_index(images, SPEC, validity=lambda *_: right_half(), cells=(0, 4, 8))
    # The second photo's tile at column 6 is valid from its column 6 on, the last one wholly.
    assert table["cell_shares"].tolist() == [None, None, None, [0, 0.5, 0, 0.5], None]
    plain = patch_index(images, SPEC, validity=lambda *_: right_half())
    pd.testing.assert_frame_equal(table.drop(columns="cell_shares"), plain)


def test_whole_tiles_have_the_same_table_whatever_reads_them():
    images = photos([(8, 20)]).assign(valid_fraction=0.4)
    plain, one = (
        patch_index(images, SPEC, validity=lambda *_: right_half(), cells=cells)
        for cells in ((), (0, 8))
    )
    pd.testing.assert_frame_equal(plain, one)
    assert "cell_shares" not in plain
