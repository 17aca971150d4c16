import numpy as np
import pytest

from biomass_pipeline.features.random_convolutions import (
    BANKS,
    BIAS,
    OPPONENTS,
    SEED,
    WEIGHT_SCALE,
    RandomConvolutions,
    filter_weights,
)

EXACT_IN_FLOAT32 = 2**24


def colours(tile):
    """Standardised opponent colours, written independently in float64."""
    planes = [
        (tile.astype(float) @ np.array(axis.mix) - axis.centre) / axis.spread for axis in OPPONENTS
    ]
    return np.stack(planes, axis=-1)


def naive(tile, bank, weights):
    """The definition: every patch, every filter, a bias, a rectifier, a mean."""
    image, side = colours(tile), bank.side_px
    spread = np.tile([axis.spread for axis in OPPONENTS], side * side)
    filters = weights.astype(float) * spread[:, None] / WEIGHT_SCALE
    places = range(0, len(image) - side + 1, bank.step_px)
    patches = [image[r : r + side, c : c + side].ravel() for r in places for c in places]
    response = np.array(patches) @ filters
    means = [np.maximum(sign * response + BIAS, 0).mean(axis=0) for sign in (1, -1)]
    return np.concatenate(means) / np.sqrt(len(filters))


@pytest.mark.parametrize("side", [20, 99])
def test_features_are_the_mean_rectified_responses(side):
    tile = np.random.default_rng(5).integers(0, 256, (side, side, 3), dtype=np.uint8)
    rows = RandomConvolutions(side).embed(tile[None])[0]
    width = 2 * BANKS[0].filters
    stop = width + 2 * BANKS[1].filters
    for columns, k in ((slice(0, width), 0), (slice(width, stop), 1)):
        weights = filter_weights(BANKS[k], seed=SEED + k)
        np.testing.assert_allclose(
            rows[columns], naive(tile, BANKS[k], weights), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("bank", BANKS)
def test_no_sum_can_outgrow_what_float32_holds_exactly(bank):
    weights = filter_weights(bank, seed=SEED)
    extremes = []
    for axis in OPPONENTS:
        low = 255 * sum(min(part, 0) for part in axis.mix) - axis.centre
        high = 255 * sum(max(part, 0) for part in axis.mix) - axis.centre
        extremes.append(max(abs(low), abs(high)))
    bound = np.tile(extremes, bank.side_px**2) @ np.abs(weights)
    assert (weights == np.rint(weights)).all()
    assert bound.max() < EXACT_IN_FLOAT32


def test_filters_are_standard_normal_over_the_spread_of_their_colour():
    bank = BANKS[-1]
    weights = filter_weights(bank, seed=SEED).reshape(bank.side_px**2, len(OPPONENTS), -1)
    for k, axis in enumerate(OPPONENTS):
        standard = weights[:, k] * axis.spread / WEIGHT_SCALE
        assert standard.mean() == pytest.approx(0, abs=0.1)
        assert standard.std() == pytest.approx(1, abs=0.1)


def test_the_seed_decides_the_filters_and_nothing_else_does():
    bank = BANKS[1]
    first = filter_weights(bank, seed=SEED)
    np.random.default_rng().standard_normal(5)
    assert (filter_weights(bank, seed=SEED) == first).all()
    assert (filter_weights(bank, seed=SEED + 1) != first).any()


def test_a_tile_of_the_usual_colour_excites_no_filter():
    # R + G + B = 330, 2G - R - B = 6, R - B = 26: within one count of every centre.
    tile = np.full((1, 16, 16, 3), (122, 112, 96), np.uint8)
    assert np.abs(RandomConvolutions(16).embed(tile)).max() == 0


@pytest.mark.parametrize("side", [1, 2, 7, 9, 21])
def test_tiny_tiles_are_described_too(side):
    tile = np.random.default_rng(side).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    assert np.isfinite(RandomConvolutions(side).embed(tile)).all()
