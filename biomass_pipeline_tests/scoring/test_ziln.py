import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from biomass_pipeline.scoring import ziln_cdf, ziln_crps, ziln_mean, ziln_quantile

CASES = [(0.6, 1.5, 1.2), (0.95, 3.0, 0.4), (0.1, 0.0, 0.8), (1.0, 2.0, 0.5)]

presence = st.floats(0.02, 1)
location = st.floats(-2, 4)
scale = st.floats(0.15, 1)


def draws(p, mu, sigma, n=200_000):
    chance = np.random.default_rng(0)
    positive = stats.lognorm.rvs(sigma, scale=np.exp(mu), size=n, random_state=chance)
    return np.where(chance.random(n) < p, positive, 0.0)


@pytest.mark.parametrize("case", CASES)
def test_the_mean_is_that_of_many_draws(case):
    sample = draws(*case)
    assert ziln_mean(*case) == pytest.approx(
        sample.mean(), abs=5 * sample.std() / len(sample) ** 0.5
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("y", [0.0, 0.7, 7.0])
def test_the_distribution_function_is_that_of_many_draws(case, y):
    assert ziln_cdf(y, *case) == pytest.approx(np.mean(draws(*case) <= y), abs=0.006)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("y", [0.0, 0.7, 7.0])
def test_the_crps_is_that_of_many_draws(case, y):
    sample = draws(*case)
    other = np.random.default_rng(1).permutation(sample)
    estimate = np.abs(sample - y).mean() - np.abs(sample - other).mean() / 2
    assert ziln_crps(y, *case) == pytest.approx(estimate, rel=0.02, abs=0.01)


@pytest.mark.parametrize(("y", "value"), [(0, 1.3131), (7, 3.0794)])
def test_the_crps_has_its_published_check_values(y, value):
    assert ziln_crps(y, 0.6, 1.5, 1.2) == pytest.approx(value, abs=5e-5)


@given(level=st.floats(0.01, 0.99), p=presence, mu=location, sigma=scale)
def test_the_quantile_inverts_the_distribution_function(level, p, mu, sigma):
    y = float(ziln_quantile(level, p, mu, sigma))
    assert ziln_cdf(y, p, mu, sigma) == pytest.approx(max(level, 1 - p), abs=1e-6)
    assert (y == 0) == (level <= 1 - p)


def test_a_mass_that_is_never_there_is_zero():
    assert ziln_quantile(0.9, 0.0, 1.0, 1.0) == 0
    assert ziln_mean(0.0, 1.0, 1.0) == 0
    assert ziln_cdf(0.0, 0.0, 1.0, 1.0) == 1


def test_nothing_lies_below_zero():
    assert ziln_cdf(-1.0, 0.5, 1.0, 1.0) == 0


@given(p=presence, mu=location, sigma=scale, y=st.floats(0, 100))
def test_the_crps_is_never_negative_and_broadcasts(p, mu, sigma, y):
    scores = ziln_crps([y, 0.0], p, mu, sigma)
    assert scores.shape == (2,)
    assert (scores >= -1e-9 * (1 + y)).all()
