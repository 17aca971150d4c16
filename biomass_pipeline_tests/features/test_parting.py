import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from biomass_pipeline.features.colour import vegetation_indices
from biomass_pipeline.features.parting import SHRINKS, describe_parting, part

SOIL, LEAF = (120, 100, 80), (90, 150, 60)
histograms = st.lists(st.integers(0, 50), min_size=2, max_size=30)


def described(tile):
    return dict(describe_parting(tile, vegetation_indices(tile)))


def half_leaf(side, *, columns):
    tile = np.full((side, side, 3), SOIL, np.uint8)
    tile[:, :columns] = LEAF
    return tile


def as_shares(counts):
    shares = np.array(counts, float)
    return shares / shares.sum(), np.linspace(-1.0, 2.0, len(counts))


def best_split(shares, values):
    """Otsu's criterion by trying every split: the largest variance between the two sides."""
    found = [0.0]
    for k in range(1, len(shares)):
        below, above = shares[:k].sum(), shares[k:].sum()
        if below > 0 and above > 0:
            low, high = shares[:k] @ values[:k] / below, shares[k:] @ values[k:] / above
            found.append(below * above * (high - low) ** 2)
    return max(found)


@given(counts=histograms)
def test_no_other_split_parts_the_values_better(counts):
    assume(sum(counts) > 0)
    shares, values = as_shares(counts)
    threshold, above, separation, low, high = part(shares, values)
    variance = shares @ (values - shares @ values) ** 2
    assert separation * variance == pytest.approx(best_split(shares, values), abs=1e-6)
    assert above == pytest.approx(shares[values > threshold].sum() if separation else 0)
    assert low <= threshold + 1e-9
    assert threshold <= high + 1e-9


@given(counts=histograms)
def test_both_sides_together_have_the_mean_of_all(counts):
    assume(sum(counts) > 0)
    shares, values = as_shares(counts)
    _, above, _, low, high = part(shares, values)
    assert (1 - above) * low + above * high == pytest.approx(shares @ values, abs=1e-9)


def test_the_threshold_lies_in_the_middle_of_a_gap():
    shares, values = np.array([0.5, 0, 0, 0, 0.5]), np.arange(5.0)
    assert part(shares, values) == pytest.approx((2.0, 0.5, 1.0, 0.0, 4.0))


def test_values_that_are_all_alike_are_not_parted():
    shares, values = np.array([0.0, 1.0, 0.0]), np.array([-1.0, 0.5, 2.0])
    assert part(shares, values) == (0.5, 0.0, 0.0, 0.5, 0.5)


@pytest.mark.parametrize("shrink", SHRINKS)
@pytest.mark.parametrize("quantity", ["exg", "green_a", "excess"])
def test_cover_is_the_share_of_the_leafy_part_at_every_scale(quantity, shrink):
    numbers = described(half_leaf(64, columns=16))
    name = f"parted_{quantity}_shrunk_{shrink}"
    assert numbers[f"{name}_above"] == pytest.approx(0.25)
    assert numbers[f"{name}_separation"] == pytest.approx(1, abs=0.01)
    assert numbers[f"{name}_low"] < numbers[f"{name}_threshold"] < numbers[f"{name}_high"]


def test_cover_stays_when_the_light_changes():
    tile = half_leaf(64, columns=24)
    dim = (tile * 0.6).astype(np.uint8)
    for name in ("exg_shrunk_1", "green_a_shrunk_1", "excess_shrunk_1", "gli", "ngrdi"):
        assert described(dim)[f"parted_{name}_above"] == pytest.approx(0.375)
        assert described(tile)[f"parted_{name}_above"] == pytest.approx(0.375)


def test_noise_is_gone_from_the_shrunk_tile():
    noise = np.random.default_rng(0).normal(0, 25, (128, 128, 3))
    noisy = np.clip(half_leaf(128, columns=32) + noise, 0, 255).astype(np.uint8)
    numbers = described(noisy)
    assert numbers["parted_exg_shrunk_8_above"] == pytest.approx(0.25, abs=0.01)
    coarse, fine = (numbers[f"parted_exg_shrunk_{shrink}_separation"] for shrink in (8, 1))
    assert coarse > fine + 0.1


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 255, 0), (255, 0, 255)])
def test_a_plain_tile_has_nothing_above(colour):
    numbers = described(np.full((16, 16, 3), colour, np.uint8))
    assert all(value == 0 for name, value in numbers.items() if name.endswith("_above"))
    assert all(abs(value) <= 3 for value in numbers.values())


@given(seed=st.integers(0, 2**16), turns=st.integers(0, 3))
def test_turning_a_tile_changes_no_number(seed, turns):
    tile = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    turned = np.ascontiguousarray(np.rot90(cv2.flip(tile, 1), turns))
    assert described(turned) == described(tile)


@pytest.mark.parametrize("side", [1, 3, 7, 13])
def test_tiny_tiles_are_described_too(side):
    tile = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    numbers = described(tile)
    assert np.isfinite(list(numbers.values())).all()
    assert list(numbers) == list(described(half_leaf(32, columns=8)))
