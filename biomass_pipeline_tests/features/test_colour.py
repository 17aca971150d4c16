import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from biomass_pipeline.features.colour import (
    CELL_EDGES,
    INDICES,
    describe_colour,
    vegetation_indices,
)

TILES = arrays.arrays(np.uint8, (16, 16, 3))
GREEN, SOIL, BLACK, WHITE = (0, 200, 0), (120, 90, 60), (0, 0, 0), (255, 255, 255)


def plain(colour, side=16):
    return np.full((side, side, 3), colour, np.uint8)


def described(tile):
    return dict(describe_colour(tile, vegetation_indices(tile)))


def test_indices_of_one_pixel_agree_with_their_definitions():
    red, green, blue = 80.0, 150.0, 40.0
    total = red + green + blue
    exg = (2 * green - red - blue) / total
    found = {name: plane[0, 0] for name, plane in vegetation_indices(plain((80, 150, 40))).items()}
    assert found["exg"] == pytest.approx(exg)
    assert found["exgr"] == pytest.approx(exg - (1.4 * red - green) / total)
    assert found["gli"] == pytest.approx((2 * green - red - blue) / (2 * green + red + blue))
    assert found["vari"] == pytest.approx((green - red) / (green + red - blue))
    assert found["ngrdi"] == pytest.approx((green - red) / (green + red))


def test_a_plain_green_tile_is_all_cover_and_bare_soil_is_none():
    green, soil = described(plain(GREEN)), described(plain(SOIL))
    covers = ["otsu_cover", *(f"exg_above_{t}" for t in INDICES["exg"].thresholds)]
    assert all(green[name] == 1 for name in covers)
    assert green["canopeo_0.95_20"] == 1
    assert soil["otsu_cover"] == soil["exg_above_0.05"] == soil["canopeo_0.95_20"] == 0


def test_cover_is_the_share_of_the_green_part():
    tile = plain(SOIL)
    tile[:4] = GREEN
    found = described(tile)
    for name in ("otsu_cover", "exg_above_0.1", "exgr_above_0.0", "gli_above_0.08"):
        assert found[name] == pytest.approx(0.25)
    assert found["otsu_separation"] > 0.99
    assert found["a_below_-8"] == pytest.approx(0.25)


def test_leaf_and_ground_have_the_colours_of_their_parts_and_none_when_absent():
    half = plain(SOIL)
    half[:8] = GREEN
    both, green, soil = described(half), described(plain(GREEN)), described(plain(SOIL))
    for part in "lab":
        assert both[f"leaf_{part}"] == pytest.approx(green[f"leaf_{part}"])
        assert both[f"ground_{part}"] == pytest.approx(soil[f"ground_{part}"])
        assert green[f"ground_{part}"] == 0


def test_mean_and_percentiles_of_a_channel_are_those_of_its_pixels():
    tile = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    found, red = described(tile), tile[..., 0] / 255
    assert found["red_mean"] == pytest.approx(red.mean())
    assert found["red_sd"] == pytest.approx(red.std())
    for percentile in (2, 50, 98):
        assert found[f"red_p{percentile}"] == pytest.approx(
            np.percentile(red, percentile), abs=0.01
        )


def test_hue_follows_the_colour_and_grey_has_none():
    assert described(plain((0, 255, 0)))["hue_120"] == pytest.approx(1)
    assert described(plain((255, 0, 0)))["hue_0"] == pytest.approx(1)
    assert sum(v for k, v in described(plain((90, 90, 90))).items() if k.startswith("hue")) == 0


@given(TILES)
def test_cells_share_out_all_pixels(tile):
    cells = [value**2 for name, value in described(tile).items() if name.startswith("cell_")]
    assert len(cells) == np.prod([len(edges) + 1 for edges in CELL_EDGES])
    assert sum(cells) == pytest.approx(1)


@given(TILES, st.integers(0, 3), st.booleans())
def test_turning_or_mirroring_a_tile_changes_no_number(tile, turns, mirrored):
    turned = np.rot90(tile[:, ::-1] if mirrored else tile, turns).copy()
    assert described(turned) == described(tile)


@given(TILES)
def test_every_number_is_finite_and_small(tile):
    values = np.array(list(described(tile).values()))
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 3


@pytest.mark.parametrize(
    "colour", [BLACK, WHITE, (255, 0, 0), (0, 0, 255), (0, 1, 1), (255, 254, 255)]
)
def test_plain_tiles_have_no_spread(colour):
    found = described(plain(colour))
    assert np.isfinite(list(found.values())).all()
    assert found["red_sd"] == found["exg_sd"] == 0
    assert found["otsu_separation"] == 0


def test_shares_fall_as_the_threshold_rises():
    tile = np.random.default_rng(2).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = described(tile)
    for name, index in INDICES.items():
        shares = [found[f"{name}_above_{threshold}"] for threshold in index.thresholds]
        assert shares == sorted(shares, reverse=True)
