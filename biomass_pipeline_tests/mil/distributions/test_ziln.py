import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from biomass_pipeline.mil.distributions import Ziln


def t(value):
    return torch.tensor(value, dtype=torch.float64)


def ziln(p, mu, s):
    return Ziln(torch.logit(t(p)), t(mu), t(s))


presence = st.floats(0.02, 1)
location = st.floats(-2, 4)
spread = st.floats(0.15, 1)


@pytest.mark.parametrize(("y", "value"), [(0.0, 1.3131), (7.0, 3.0794)])
def test_the_crps_has_its_published_check_values(y, value):
    assert ziln(0.6, 1.5, 1.2).crps(y).item() == pytest.approx(value, abs=5e-5)


@settings(max_examples=40)
@given(p=presence, mu=location, s=spread, y=st.floats(0.01, 100))
def test_the_positive_part_is_scipys_lognormal(p, mu, s, y):
    found = ziln(p, mu, s)
    reference = stats.lognorm(s, scale=float(torch.exp(t(mu))))
    assert found.mean.item() == pytest.approx(p * reference.mean(), rel=1e-9)
    assert found.cdf(y).item() == pytest.approx(1 - p + p * reference.cdf(y), abs=1e-9)
    expected = stats.bernoulli(p).logpmf(1) + reference.logpdf(y)
    assert found.log_prob(y).item() == pytest.approx(expected, rel=1e-8, abs=1e-8)
    assert found.log_prob(0.0).item() == pytest.approx(stats.bernoulli(p).logpmf(0), rel=1e-6)


@given(level=st.floats(0.01, 0.99), p=presence, mu=location, s=spread)
def test_the_quantile_follows_its_formula(level, p, mu, s):
    found = ziln(p, mu, s).quantile(level).item()
    if level <= 1 - p - 1e-9:
        assert found == 0
    elif level >= 1 - p + 1e-6:
        z = stats.norm.ppf((level - 1 + p) / p)
        assert found == pytest.approx(float(torch.exp(t(mu + s * z))), rel=1e-6)


@given(mean=st.floats(1e-3, 1e3), logit=st.floats(-8, 8), s=spread)
def test_the_mean_that_is_given_is_the_distributions(mean, logit, s):
    found = Ziln.of_mean(t(mean), t(logit), t(s))
    assert found.mean.item() == pytest.approx(mean, abs=1.1e-6)


def test_a_mass_that_is_never_there_is_zero():
    never = Ziln(t(-torch.inf), t(1.0), t(1.0))
    assert never.quantile(0.9) == 0
    assert never.mean == 0
    assert never.cdf(0.0) == 1
    assert never.crps(3.0) == 3


def test_quantiles_keep_their_digits_near_one():
    # p = 0.0003 in single precision: tau - (1 - p) would keep three digits of the level.
    single = Ziln(torch.tensor(-8.0), torch.tensor(0.0), torch.tensor(0.5)).quantile(0.9999)
    double = Ziln(t(-8.0), t(0.0), t(0.5)).quantile(0.9999)
    assert single.item() == pytest.approx(double.item(), rel=2e-4)
