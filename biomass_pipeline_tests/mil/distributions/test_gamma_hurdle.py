import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from biomass_pipeline.mil.distributions import GammaHurdle

presence = st.floats(0.02, 0.999)
size = st.floats(0.01, 100)
shapes = st.floats(0.5, 50)


def t(value):
    return torch.tensor(value, dtype=torch.float64)


def hurdle(p, mean, shape):
    return GammaHurdle(torch.logit(t(p)), t(mean), t(shape))


@settings(max_examples=40)
@given(p=presence, mean=size, shape=shapes, ratio=st.floats(0.01, 4))
def test_the_positive_part_is_scipys_gamma(p, mean, shape, ratio):
    found, reference = hurdle(p, mean, shape), stats.gamma(shape, scale=mean / shape)
    y = ratio * mean
    assert found.mean.item() == pytest.approx(p * reference.mean(), rel=1e-9)
    assert found.cdf(y).item() == pytest.approx(1 - p + p * reference.cdf(y), abs=1e-9)
    expected = stats.bernoulli(p).logpmf(1) + reference.logpdf(y)
    assert found.log_prob(y).item() == pytest.approx(expected, rel=1e-8, abs=1e-8)
    assert found.log_prob(0.0).item() == pytest.approx(stats.bernoulli(p).logpmf(0), rel=1e-9)


@given(p=presence, mean=size, shape=shapes, level=st.floats(0.01, 0.99))
def test_the_quantile_is_scipys(p, mean, shape, level):
    found = hurdle(p, mean, shape).quantile(level).item()
    if level <= 1 - p - 1e-9:
        assert found == 0
    elif level >= 1 - p + 1e-6:
        reference = stats.gamma(shape, scale=mean / shape)
        assert found == pytest.approx(reference.ppf((level - 1 + p) / p), rel=1e-6)


@given(mean=st.floats(1e-3, 1e3), logit=st.floats(-8, 8), shape=shapes)
def test_the_mean_that_is_given_is_the_distributions(mean, logit, shape):
    found = GammaHurdle.of_mean(t(mean), t(logit), t(shape))
    assert found.mean.item() == pytest.approx(mean, abs=1.1e-6)
    assert found.positive_mean.item() == pytest.approx(mean / special.expit(logit), rel=2e-3)


def test_single_precision_agrees_with_double():
    parameters = [0.3, 2.0, 20.0]
    single = GammaHurdle(*(torch.tensor(value) for value in parameters))
    double = GammaHurdle(*map(t, parameters))
    y = torch.tensor([0.0, 0.5, 2.0, 5.0])
    for method in ("cdf", "crps", "log_prob"):
        assert torch.allclose(
            getattr(single, method)(y).double(), getattr(double, method)(y), rtol=1e-5, atol=1e-6
        )
