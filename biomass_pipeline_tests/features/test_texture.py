import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from biomass_pipeline.features.colour import vegetation_indices
from biomass_pipeline.features.texture import SCALES, describe_texture


def described(tile):
    return dict(describe_texture(tile, vegetation_indices(tile)["exg"]))


def grey(plane):
    return np.repeat(np.asarray(plane, np.uint8)[..., None], 3, axis=2)


def stripes(period_px, side=64):
    wave = 127 + 100 * np.sin(2 * np.pi * np.arange(side) / period_px)
    return grey(np.tile(wave.round(), (side, 1)))


def test_a_plain_tile_has_no_texture():
    found = described(np.full((32, 32, 3), (90, 140, 60), np.uint8))
    for name, value in found.items():
        if "lbp" in name or "cover" in name:
            continue
        assert value == pytest.approx(0, abs=2e-6) or name.endswith("gabor_contrast")
    assert found["lbp_0_0"] == 1
    assert found["mosaic_cover_least"] == found["mosaic_cover_most"] == 1


def test_edges_measure_the_slope_of_a_ramp():
    ramp = grey(np.tile(np.arange(64) * 2, (64, 1)))
    inner = 62 / 64  # the outermost columns are reflected and have no slope
    assert described(ramp)["grey_0_edge_mean"] == pytest.approx(10 * 2 / 255 * inner, rel=1e-3)


def test_stripes_answer_at_the_scale_of_their_width():
    for scale, period_px in ((0, 4), (1, 8), (2, 16)):
        found = described(stripes(period_px))
        energies = [found[f"grey_{s}_gabor_0"] for s in range(SCALES)]
        assert np.argmax(energies) == scale
        assert found[f"grey_{scale}_gabor_contrast"] > 0.5


def test_lines_of_light_are_bright_blobs_and_shadows_dark_ones():
    light = np.full((32, 32), 50)
    light[8::16] = 250
    bright, dark = described(grey(light)), described(grey(255 - light))
    assert bright["grey_0_blob_bright"] == pytest.approx(dark["grey_0_blob_dark"], rel=0.01)
    assert bright["grey_0_blob_rms"] == pytest.approx(dark["grey_0_blob_rms"], rel=0.01)


def test_an_isolated_bright_pixel_is_the_pattern_of_all_darker_neighbours():
    plane = np.full((9, 9), 100)
    plane[4, 4] = 200
    found = described(grey(plane))
    # Its eight neighbours each see one brighter pixel; everything else sees none.
    assert found["lbp_0_1"] == pytest.approx(8 / 81)
    assert found["lbp_0_0"] == pytest.approx(73 / 81)


def test_noise_below_the_tolerance_is_no_pattern():
    noise = np.random.default_rng(0).integers(100, 103, (32, 32))
    assert described(grey(noise))["lbp_0_0"] == 1


@given(arrays.arrays(np.uint8, (16, 16, 3)))
def test_patterns_share_out_all_pixels_and_numbers_are_finite(tile):
    found = described(tile)
    for scale in range(SCALES):
        assert sum(found[f"lbp_{scale}_{label}"] for label in range(10)) == pytest.approx(1)
    values = np.array(list(found.values()))
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 20


@given(arrays.arrays(np.uint8, (16, 16, 3)), st.integers(1, 3))
def test_binary_patterns_do_not_see_how_the_camera_was_held(tile, turns):
    here, there = described(tile), described(np.rot90(tile, turns).copy())
    for label in range(10):
        assert here[f"lbp_0_{label}"] == there[f"lbp_0_{label}"]


def test_the_mosaic_tells_clumps_from_an_even_sward():
    soil, leaf = (120, 90, 60), (60, 160, 40)
    clumped = np.full((64, 64, 3), soil, np.uint8)
    clumped[:, :32] = leaf
    even = np.full((64, 64, 3), soil, np.uint8)
    even[:, ::2] = leaf
    one, other = described(clumped), described(even)
    assert (one["mosaic_cover_least"], one["mosaic_cover_most"]) == (0, 1)
    assert (other["mosaic_cover_least"], other["mosaic_cover_most"]) == (0.5, 0.5)
    assert one["mosaic_cover_sd"] > other["mosaic_cover_sd"] == 0
    assert one["mosaic_outline"] < other["mosaic_outline"]


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 13])
def test_tiny_tiles_are_described_too(side):
    tile = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert np.isfinite(list(described(tile).values())).all()
