import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.scoring import crps_of_draws

masses = arrays(float, st.integers(1, 30), elements=st.floats(0, 100))


@given(draws=masses, y=st.floats(0, 100))
def test_it_is_the_distance_to_the_label_less_half_that_between_different_draws(draws, y):
    n = len(draws)
    between = np.abs(draws[:, None] - draws).sum() / max(n * (n - 1), 1)
    expected = np.abs(draws - y).mean() - between / 2
    assert crps_of_draws(draws, y) == pytest.approx(expected, abs=1e-9)


def zero_inflated_lognormal(n, *, presence=0.6, location=1.5, spread=1.2):
    chance = np.random.default_rng(0)
    return (chance.random(n) < presence) * np.exp(location + spread * chance.normal(size=n))


@pytest.mark.parametrize(("y", "expected"), [(0.0, 1.3131), (7.0, 3.0794)])
def test_many_draws_reach_the_closed_form(y, expected):
    assert crps_of_draws(zero_inflated_lognormal(400_000), y) == pytest.approx(expected, abs=0.03)


def test_few_draws_are_fair_where_all_pairs_would_not_be():
    chance = np.random.default_rng(1)
    y = chance.normal(size=20_000)
    few, many = chance.normal(size=(3, 20_000)), chance.normal(size=(200, 20_000))
    expected = 1 / np.sqrt(np.pi)  # of a standard normal that forecasts itself
    assert crps_of_draws(few, y).mean() == pytest.approx(expected, abs=0.015)
    assert crps_of_draws(many, y).mean() == pytest.approx(expected, abs=0.015)


def test_the_right_spread_scores_best():
    chance = np.random.default_rng(2)
    y, noise = chance.normal(size=4000), chance.normal(size=(100, 4000))
    right, narrow, wide = (crps_of_draws(k * noise, y).mean() for k in (1.0, 0.4, 2.5))
    assert right < min(narrow, wide)


def test_each_cell_is_scored_by_its_own_draws():
    draws = np.random.default_rng(3).normal(size=(20, 4, 5))
    y = np.zeros((4, 5))
    whole = crps_of_draws(draws, y)
    assert whole.shape == (4, 5)
    assert whole[2, 3] == pytest.approx(crps_of_draws(draws[:, 2, 3], 0.0))
