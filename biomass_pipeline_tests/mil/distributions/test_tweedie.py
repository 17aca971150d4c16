import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from biomass_pipeline.mil.distributions import Tweedie

means = st.floats(0.01, 30)
dispersions = st.floats(0.05, 10)
powers = st.floats(1.05, 1.95)
COUNTS = np.arange(1, 6000)


def t(value):
    return torch.tensor(value, dtype=torch.float64)


def by_scipy(mean, phi, r):
    """The definition: probabilities of 1, 2, ... lumps, and the gamma that they sum to."""
    rate = mean ** (2 - r) / (phi * (2 - r))
    lumps = stats.gamma(COUNTS * (2 - r) / (r - 1), scale=phi * (r - 1) * mean ** (r - 1))
    return rate, stats.poisson(rate).pmf(COUNTS), lumps


@settings(max_examples=40)
@given(mean=means, phi=dispersions, r=powers, ratio=st.floats(1e-3, 5))
def test_it_is_a_poisson_number_of_gamma_lumps(mean, phi, r, ratio):
    y = ratio * mean
    rate, weights, lumps = by_scipy(mean, phi, r)
    found = Tweedie(t(mean), t(phi), t(r))
    assert found.p_zero.item() == pytest.approx(np.exp(-rate), rel=1e-9, abs=1e-300)
    expected = np.exp(-rate) + (weights * lumps.cdf(y)).sum()
    assert found.cdf(y).item() == pytest.approx(expected, abs=1e-7)
    density = (weights * lumps.pdf(y)).sum()
    if density > 1e-200:
        assert found.log_prob(y).item() == pytest.approx(np.log(density), rel=1e-7, abs=1e-7)


@given(phi=dispersions, r=powers, y=st.floats(1e-6, 1e6), at=st.floats(1e-3, 1e3))
def test_the_series_and_the_deviance_tell_the_same_of_means(phi, r, y, at):
    # ln f(y; m) - ln f(y; y) = -deviance / (2 phi): the mean enters the density nowhere else.
    a, b = 1 - r, 2 - r
    deviance = 2 * (y**b / (a * b) - y * at**a / a + at**b / b)
    found = Tweedie(t([at, y]), t(phi), t(r)).log_prob(y)
    difference = (found[0] - found[1]).item()
    assert difference == pytest.approx(-deviance / (2 * phi), rel=1e-6, abs=1e-6)


@given(mean=means, phi=dispersions, r=powers)
def test_the_variance_grows_with_the_power_of_the_mean(mean, phi, r):
    rate, shape, scale = Tweedie(t(mean), t(phi), t(r))._lumps()
    assert (rate * shape * scale).item() == pytest.approx(mean, rel=1e-9)
    assert (rate * shape * (shape + 1) * scale**2).item() == pytest.approx(phi * mean**r, rel=1e-9)


@pytest.mark.parametrize("y", [0.0, 1e-6, 0.05, 1.0, 30.0, 1e6])
@pytest.mark.parametrize("mean", [1e-6, 0.01, 1.0, 1e3])
@pytest.mark.parametrize("phi", [0.02, 1.0, 20.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_at_the_extremes(y, mean, phi, dtype):
    parameters = [
        torch.tensor(value, dtype=dtype, requires_grad=True)
        for value in ([mean] * 3, [phi] * 3, [1.05, 1.5, 1.95])
    ]
    found = Tweedie(*parameters).log_prob(y)
    assert torch.isfinite(found).all()
    found.sum().backward()
    for parameter in parameters:
        assert torch.isfinite(parameter.grad).all()


@settings(max_examples=40)
@given(mean=means, phi=dispersions, r=powers, ratio=st.floats(0.05, 4), zero=st.booleans())
def test_gradients_are_those_of_finite_differences(mean, phi, r, ratio, zero):
    y = 0.0 if zero else ratio * mean
    parameters = tuple(t(value).requires_grad_() for value in (mean, phi, r))
    assert torch.autograd.gradcheck(
        lambda *values: Tweedie(*values).log_prob(y), parameters, eps=1e-6, rtol=1e-3, atol=1e-3
    )


def test_wide_sums_need_no_more_terms():
    # 40,000 and 4 million lumps: nearly normal, and the terms are far apart.
    for phi in (1e-4, 1e-6):
        found = Tweedie(t(4.0), t(phi), t(1.5))
        sd = (phi * 4.0**1.5) ** 0.5
        z = torch.linspace(-3, 3, 7, dtype=torch.float64)
        normal = torch.special.ndtr(z)
        assert torch.allclose(found.cdf(4 + sd * z), normal, atol=3 * phi**0.5)
        density = found.log_prob(4 + sd * z).exp() * sd
        reference = torch.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        assert torch.allclose(density, reference, atol=3 * phi**0.5)
        assert found.crps(4.0).item() == pytest.approx(
            sd * (np.sqrt(2) - 1) / np.sqrt(np.pi), rel=0.01
        )


def test_a_mean_of_zero_is_certain():
    nothing = Tweedie(t(0.0), t(1.0), t(1.5))
    assert nothing.p_zero.item() == pytest.approx(1, abs=1e-12)
    assert nothing.quantile(0.999) == 0
    assert nothing.cdf(0.0).item() == pytest.approx(1, abs=1e-12)
    assert nothing.crps(2.0).item() == pytest.approx(2, abs=1e-12)


def test_a_mean_that_is_not_a_number_gives_what_is_none():
    broken = Tweedie(t([np.nan, 1.0]), t(1.0), t(1.5))
    found = broken.log_prob(0.7)
    assert torch.isnan(found).tolist() == [True, False]
    assert found[1] == Tweedie(t(1.0), t(1.0), t(1.5)).log_prob(0.7)


def test_variances_of_draws_follow_the_power():
    distribution = Tweedie(t([0.5, 2.0, 8.0]), t(0.7), t(1.6))
    draws = distribution.sample(100_000, torch.Generator().manual_seed(0))
    square = (draws - distribution.mean).square()
    expected = 0.7 * distribution.mean**1.6
    three_sigma = 3 * square.std(dim=0) / 100_000**0.5
    assert ((square.mean(dim=0) - expected).abs() < three_sigma).all()
