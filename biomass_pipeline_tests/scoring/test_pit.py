import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import pit_histogram, pit_of_draws


def pit(draws, y, seed=0):
    return pit_of_draws(draws, y, chance=np.random.default_rng(seed))


def masses(chance, shape):
    """Half of them 0."""
    return np.maximum(chance.normal(size=shape), 0.0)


@given(n=st.integers(1, 40))
def test_a_label_from_the_draws_distribution_is_uniform_zeros_and_all(n):
    chance = np.random.default_rng(n)
    found = pit(masses(chance, (n, 3000)), masses(chance, 3000))
    assert ((found > 0) & (found < 1)).all()
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_draws_too_narrow_crowd_the_ends_and_too_wide_the_middle():
    chance = np.random.default_rng(0)
    noise, y = chance.normal(size=(100, 3000)), chance.normal(size=3000)
    narrow, wide = pit_histogram(pit(noise * 0.5, y)), pit_histogram(pit(noise * 2, y))
    assert min(narrow[0], narrow[-1]) > 0.15
    assert max(wide[0], wide[-1]) < 0.05


def test_draws_too_low_lean_to_the_right():
    chance = np.random.default_rng(0)
    shares = pit_histogram(pit(chance.normal(size=(100, 2000)) - 1, chance.normal(size=2000)))
    assert shares[-1] > 0.25 > shares[0]


def test_a_label_beyond_all_draws_is_at_the_end():
    assert pit(np.zeros((99, 1)), np.array([5.0])) >= 0.99
    assert pit(np.ones((99, 1)), np.array([0.0])) <= 0.01


def test_shares_add_up_and_both_ends_count():
    shares = pit_histogram([0.0, 0.05, 0.5, 1.0], n_bins=4)
    np.testing.assert_allclose(shares, [0.5, 0, 0.25, 0.25])


def test_no_value_is_an_error():
    with pytest.raises(UndefinedScoreError, match="no value"):
        pit_histogram([])
