"""Laws that every family keeps, each against its own definition: integrals, draws, inverses."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from biomass_pipeline.mil.distributions import GammaHurdle, Tweedie, Ziln
from biomass_pipeline.mil.distributions.distribution import together


def t(value):
    return torch.tensor(value, dtype=torch.float64)


CASES = {
    "ziln": Ziln(t(0.4), t(1.5), t(0.8)),
    "ziln-narrow": Ziln(t(3.0), t(-2.0), t(0.15)),
    "ziln-certain": Ziln(t(torch.inf), t(0.0), t(1.0)),
    "gamma": GammaHurdle(t(-0.5), t(2.0), t(3.5)),
    "gamma-skewed": GammaHurdle(t(2.0), t(30.0), t(0.5)),
    "gamma-narrow": GammaHurdle(t(-4.0), t(0.5), t(50.0)),
    "tweedie": Tweedie(t(1.0), t(0.5), t(1.5)),
    "tweedie-lumpy": Tweedie(t(3.0), t(2.0), t(1.2)),
    "tweedie-skewed": Tweedie(t(0.5), t(2.0), t(1.8)),
    "tweedie-narrow": Tweedie(t(20.0), t(0.05), t(1.5)),
}
FAMILIES = {"ziln": Ziln, "gamma": GammaHurdle, "tweedie": Tweedie}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def distribution(request):
    return request.param


def expectation(distribution, value, *, tolerance=1e-9):
    """Integrate a function of y against the density, with the mass at zero."""

    def integrand(u):
        y = np.exp(u)
        return value(y) * np.exp(distribution.log_prob(t(y)).item()) * y

    middle = np.log(max(distribution.mean.item(), 1e-3))
    parts = [middle + reach for reach in (-120, -40, -10, -3, -1, 0, 1, 3, 8)]
    found = sum(
        integrate.quad(integrand, a, b, epsabs=tolerance, epsrel=1e-10, limit=200)[0]
        for a, b in pairwise(parts)
    )
    return found + value(0.0) * distribution.p_zero.item()


def test_the_density_sums_to_one(distribution):
    assert expectation(distribution, lambda _y: 1.0) == pytest.approx(1, abs=1e-6)


def test_the_mean_is_that_of_the_density(distribution):
    found = expectation(distribution, lambda y: y)
    assert distribution.mean.item() == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 2.5])
def test_the_distribution_function_is_the_densitys_integral(distribution, share):
    y = share * distribution.mean.item()

    def density(u):
        return np.exp(distribution.log_prob(t(np.exp(u))).item() + u)

    low = np.log(distribution.mean.item()) - 120
    below = (
        sum(
            integrate.quad(density, a, b, epsabs=1e-10, limit=200)[0]
            for a, b in [(low, low + 80), (low + 80, np.log(y) - 3), (np.log(y) - 3, np.log(y))]
        )
        if y
        else 0.0
    )
    expected = distribution.p_zero.item() + below
    assert distribution.cdf(y).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 2.5])
def test_the_crps_is_the_integral_of_the_squared_distance(distribution, share):
    mean = distribution.mean.item()
    y = share * mean

    def square(x):
        return (distribution.cdf(x).item() - (x >= y)) ** 2

    edges = sorted({0.0, 1e-3 * mean, y / 2, y, *(mean * k for k in (0.5, 0.8, 1, 1.2, 2, 5, 15))})
    edges += [mean * 100, mean * 3000]
    found = sum(
        integrate.quad(square, a, b - 1e-13, epsabs=1e-9 * mean, epsrel=1e-9, limit=100)[0]
        for a, b in pairwise(edges)
    )
    assert distribution.crps(y).item() == pytest.approx(found, abs=1e-6 * mean)


def test_draws_have_its_moments(distribution):
    n = 40_000
    draws = distribution.sample(n, torch.Generator().manual_seed(1))
    assert draws.shape == (n,)
    assert draws.min() >= 0
    three_sigma = 3 / n**0.5
    assert draws.mean().item() == pytest.approx(
        distribution.mean.item(), abs=three_sigma * draws.std().item()
    )
    none = distribution.p_zero.item()
    share = (draws == 0).double().mean().item()
    assert share == pytest.approx(none, abs=three_sigma * (none * (1 - none)) ** 0.5 + 1e-12)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.7, 0.99])
def test_draws_lie_below_a_quantile_as_often_as_it_says(distribution, level):
    n = 40_000
    draws = distribution.sample(n, torch.Generator().manual_seed(2))
    reached = max(level, distribution.p_zero.item())
    share = (draws <= distribution.quantile(level)).double().mean().item()
    assert share == pytest.approx(reached, abs=3 * (level * (1 - level) / n) ** 0.5)


@pytest.mark.parametrize("share", [0.0, 0.7, 3.0])
def test_the_crps_is_that_of_draws(distribution, share):
    n = 40_000
    y = share * distribution.mean.item()
    draws = distribution.sample(2 * n, torch.Generator().manual_seed(4))
    each = (draws[:n] - y).abs() - (draws[:n] - draws[n:]).abs() / 2
    sigma = each.std().item() / n**0.5
    assert distribution.crps(y).item() == pytest.approx(each.mean().item(), abs=3 * sigma)


@given(
    case=st.sampled_from(list(CASES.values())),
    level=st.floats(0.001, 0.9999),
)
def test_the_quantile_inverts_the_distribution_function(case, level):
    y = case.quantile(level)
    assert case.cdf(y).item() == pytest.approx(max(level, case.p_zero.item()), abs=1e-9)
    # At the mass of zero itself the two sides differ by rounding.
    if abs(level - case.p_zero.item()) > 1e-12:
        assert (y == 0) == (level < case.p_zero)


def test_the_median_is_the_quantile_at_one_half(distribution):
    assert distribution.median == distribution.quantile(0.5)


def test_quantiles_end_at_infinity(distribution):
    assert distribution.quantile(1.0) == torch.inf
    assert distribution.quantile(0.0) == 0


def test_nothing_lies_below_zero(distribution):
    assert distribution.cdf(-1.0) == 0
    assert distribution.cdf(0.0).item() == pytest.approx(distribution.p_zero.item(), abs=1e-15)
    assert distribution.log_prob(0.0).exp().item() == pytest.approx(
        distribution.p_zero.item(), abs=1e-15
    )


@settings(max_examples=40)
@given(
    case=st.sampled_from(list(CASES.values())),
    factor=st.floats(1e-3, 1e3),
    y=st.floats(0.01, 50),
    level=st.floats(0.01, 0.99),
)
def test_another_unit_changes_nothing_but_the_unit(case, factor, y, level):
    other = case.rescaled(factor)
    assert other.mean.item() == pytest.approx(factor * case.mean.item(), rel=1e-9)
    assert other.p_zero.item() == pytest.approx(case.p_zero.item(), rel=1e-9)
    assert other.cdf(factor * y).item() == pytest.approx(case.cdf(y).item(), abs=1e-9)
    assert other.crps(factor * y).item() == pytest.approx(factor * case.crps(y).item(), rel=1e-6)
    assert other.quantile(level).item() == pytest.approx(
        factor * case.quantile(level).item(), rel=1e-6
    )
    assert other.log_prob(factor * y).item() == pytest.approx(
        case.log_prob(y).item() - np.log(factor), rel=1e-7, abs=1e-7
    )


@given(case=st.sampled_from(list(CASES.values())), y=st.floats(0, 100))
def test_the_crps_lies_between_nothing_and_the_distance_of_the_mean(case, y):
    found = case.crps(y).item()
    assert found >= -1e-9 * (1 + y)
    assert found <= case.mean.item() + y + 1e-9


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_broadcast_and_precision_is_kept(family, dtype):
    first = torch.full((4, 1), 0.5, dtype=dtype)
    distribution = family(
        first, torch.full((3,), 0.7, dtype=dtype), torch.full((), 1.5, dtype=dtype)
    )
    y = torch.rand(5, 4, 3, dtype=dtype, generator=torch.Generator().manual_seed(0))
    for found in (distribution.mean, distribution.median, distribution.p_zero):
        assert (found.shape, found.dtype) == ((4, 3), dtype)
    for found in (
        distribution.cdf(y),
        distribution.crps(y),
        distribution.log_prob(y),
        distribution.quantile(y),
        distribution.sample(5, torch.Generator().manual_seed(0)),
    ):
        assert (found.shape, found.dtype) == ((5, 4, 3), dtype)
        assert torch.isfinite(found).all()
    assert distribution.cdf(0.3).shape == (4, 3)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_a_cell_does_not_depend_on_its_neighbours(family):
    first, second = torch.tensor([0.5, 6.0, 0.1]), torch.tensor([0.7, 0.2, 3.0])
    whole = family(first.double(), second.double(), t(1.5))
    for column in range(3):
        alone = family(first[column].double(), second[column].double(), t(1.5))
        for method in ("cdf", "crps", "log_prob"):
            found = getattr(whole, method)(0.8)[column].item()
            assert found == pytest.approx(getattr(alone, method)(0.8).item(), rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_the_same_generator_gives_the_same_draws(family):
    distribution = family(t([0.5, 0.6]), t([0.7, 0.8]), t([1.5, 1.4]))
    first, second, other = (
        distribution.sample(20, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_what_is_not_a_number_stays_so(family):
    distribution = family(t([torch.nan, 0.5]), t([0.7, 0.8]), t([1.5, 1.4]))
    for method, value in [("quantile", 0.5), ("cdf", 1.0), ("crps", 1.0), ("log_prob", 0.7)]:
        assert torch.isnan(getattr(distribution, method)(value)).tolist() == [True, False]


def test_the_finest_precision_is_kept():
    first, second = together(
        torch.ones(2, dtype=torch.float64), torch.ones((), dtype=torch.float32)
    )
    assert first.dtype == second.dtype == torch.float64
    assert second.shape == (2,)
