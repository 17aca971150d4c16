"""Tables of tiles that cover their photos pass; each way not to is named."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.tiling import patch_index, uncovered_photos

SPEC = TilingConfig(tile_px=16, stride_px=12)


def images(*sizes, valid_fraction=1.0):
    return pd.DataFrame(
        [
            {
                "image_id": f"p{number}",
                "path": f"p{number}.png",
                "sha256": f"{number:064x}",
                "height_px": height,
                "width_px": width,
                "valid_fraction": valid_fraction,
            }
            for number, (height, width) in enumerate(sizes)
        ]
    )


@pytest.fixture
def photos():
    return images((40, 60), (16, 16))


@pytest.fixture
def tiles(photos):
    return patch_index(photos, SPEC)


def problems(tiles, photos):
    return list(uncovered_photos(tiles, photos, SPEC).itertuples(index=False, name=None))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), max_size=4),
    st.integers(1, 16),
    st.sampled_from(TilingConfig.model_fields["border"].annotation.__args__),
)
def test_what_the_index_lists_covers(sizes, stride, border):
    spec = TilingConfig(tile_px=16, stride_px=stride, border=border)
    photos = images(*sizes) if sizes else images((1, 1)).iloc[:0]
    assert uncovered_photos(patch_index(photos, spec), photos, spec).empty


def test_a_lost_tile_is_named_twice(tiles, photos):
    """By what the weights add up to, and by where it should be."""
    (weights, missing) = problems(tiles.drop(index=0), photos)
    assert weights[0] == missing[0] == "p0"
    assert "its area weights add up to 0.9" in weights[1]
    assert missing[1] == "1 of 15 tile(s) are missing"


def test_a_photo_without_a_tile_is_named(tiles, photos):
    assert problems(tiles[tiles["image_id"] != "p1"], photos) == [("p1", "has no tile")]


def test_tiles_of_a_stranger_are_named(tiles, photos):
    assert problems(tiles, photos.iloc[:1]) == [("p1", "is no photo of this fold")]


def test_a_tile_out_of_place_is_named(tiles, photos):
    moved = tiles.assign(row_px=tiles["row_px"].where(tiles.index != 0, 7))
    assert ("p0", "1 tile(s) lie where none belongs") in problems(moved, photos)


def test_a_tile_there_twice_is_named(tiles, photos):
    double = pd.concat([tiles, tiles.iloc[[-1]]])
    assert ("p1", "a tile is there twice") in problems(double, photos)


def test_weights_that_are_negative_or_unknown_are_named(tiles, photos):
    weight = tiles["area_weight"].copy()
    weight.iloc[0] -= 1.0
    weight.iloc[1] += 1.0
    assert ("p0", "a tile has a negative area weight") in problems(
        tiles.assign(area_weight=weight), photos
    )
    unknown = tiles.assign(area_weight=float("nan"))
    assert ("p1", "its area weights add up to nan") in problems(unknown, photos)


def test_tiles_without_a_valid_pixel_may_be_missing(tiles):
    """Only the weights can tell then, and these are shares of the valid area."""
    partly = images((40, 60), (16, 16), valid_fraction=0.5)
    rest = tiles.drop(index=0)
    share = rest["area_weight"] / rest.groupby("image_id")["area_weight"].transform("sum")
    assert problems(rest.assign(area_weight=share), partly) == []


def test_no_photos_are_covered(tiles, photos):
    assert problems(tiles.iloc[:0], photos.iloc[:0]) == []
