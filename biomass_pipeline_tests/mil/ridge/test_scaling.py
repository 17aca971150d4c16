import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.mil.ridge.scaling import BlockScale


def made(seed=0, *, n=60, poolings=2, width=5):
    chance = np.random.default_rng(seed)
    pooled = chance.normal(3.0, [[1.0], [20.0]][:poolings], (n, poolings, width))
    return pooled, chance.normal(size=(n, 2)) + pooled[:, 0, :1]


def fitted(pooled, y, *, scaling="standard", clip=4.0, relevance=0.0):
    return BlockScale.fit(pooled, y, scaling=scaling, clip=clip, relevance=relevance)


def test_standard_is_mean_and_sd():
    pooled, y = made()
    z = fitted(pooled, y, clip=1e9)(pooled) * np.sqrt(10)
    flat = pooled.reshape(60, -1)
    assert z == pytest.approx((flat - flat.mean(axis=0)) / flat.std(axis=0))


def test_robust_is_median_and_quartiles_which_an_outlier_does_not_move():
    pooled, y = made()
    wild = pooled.copy()
    wild[7] += 1e6
    one, other = fitted(pooled, y, scaling="robust"), fitted(wild, y, scaling="robust")
    low, middle, high = np.quantile(pooled, (0.25, 0.5, 0.75), axis=0)
    assert one.centre == pytest.approx(middle)
    assert one.spread == pytest.approx((high - low) / 1.349, rel=1e-4)
    assert other.spread == pytest.approx(one.spread, rel=0.2)
    assert fitted(wild, y).spread.min() > 100 * one.spread.max()


def test_a_feature_that_is_mostly_one_value_has_its_sd_for_a_robust_spread():
    pooled, y = made()
    pooled[:, 0, 2] = np.where(np.arange(60) < 6, 1.0, 0.0)
    assert fitted(pooled, y, scaling="robust").spread[0, 2] == pytest.approx(0.3)


@given(seed=st.integers(0, 50), clip=st.floats(0.1, 5), robust=st.booleans())
def test_nothing_leaves_the_clip(seed, clip, robust):
    pooled, y = made(seed)
    scale = fitted(pooled, y, clip=clip, scaling="robust" if robust else "standard")
    assert np.abs(scale.scaled(1e9 * pooled)).max() <= clip * scale.weight.max() + 1e-12


@given(seed=st.integers(0, 50), dead=st.integers(0, 4), relevance=st.sampled_from([0.0, 0.5, 1.0]))
def test_poolings_weigh_alike_whatever_their_number_of_varying_features(seed, dead, relevance):
    pooled, y = made(seed)
    pooled[:, 1, :dead] = 7.0
    scale = fitted(pooled, y, relevance=relevance)
    assert (scale.weight**2).sum(axis=1) == pytest.approx([0.5, 0.5])
    assert (scale.weight[1, :dead] == 0).all()


@pytest.mark.parametrize("width", [3, 30, 300])
def test_the_size_of_a_row_does_not_depend_on_the_width(width):
    pooled, y = made(width=width)
    assert (fitted(pooled, y)(pooled) ** 2).sum(axis=1).mean() == pytest.approx(1.0, rel=0.05)


def test_a_feature_that_does_not_vary_says_nothing():
    pooled, y = made()
    pooled[:, 0, 3] = 7.0
    scale = fitted(pooled, y)
    moved = pooled.copy()
    moved[:, 0, 3] = 8.0
    assert (scale(moved) == scale(pooled)).all()


def test_relevance_weighs_by_correlation_with_the_labels():
    pooled, y = made()
    scale = fitted(pooled, y, relevance=1.0)
    z = np.clip((pooled - pooled.mean(axis=0)) / pooled.std(axis=0), -4, 4)
    r = [[np.corrcoef(z[:, 0, f], y[:, c])[0, 1] for c in range(2)] for f in range(5)]
    strength = np.sqrt((np.array(r) ** 2).mean(axis=1))
    assert scale.weight[0] / scale.weight[0].max() == pytest.approx(strength / strength.max())
    assert scale.weight[0].argmax() == 0


def test_labels_without_spread_do_not_break_relevance():
    pooled, _ = made()
    z = fitted(pooled, np.zeros((60, 2)), relevance=1.0)(pooled)
    assert np.isfinite(z).all()


def test_what_was_written_is_what_is_read():
    pooled, y = made()
    scale = fitted(pooled, y, relevance=1.0)
    assert (BlockScale.from_arrays(scale.arrays())(pooled) == scale(pooled)).all()
