import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.tiling import patch_index, tile_grid

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


def test_types_are_the_same_without_a_photo():
    empty = patch_index(photos([]), SPEC)
    assert len(empty) == 0
    assert empty.dtypes.tolist() == patch_index(photos([(20, 20)]), SPEC).dtypes.tolist()
    assert empty.dtypes.astype(str).to_dict()["row_px"] == "int32"
