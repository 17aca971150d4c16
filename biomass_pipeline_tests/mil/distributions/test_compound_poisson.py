from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from biomass_pipeline.mil.distributions.compound_poisson import (
    count_weights,
    counts_around,
    half_difference,
)


def t(value):
    return torch.tensor(value, dtype=torch.float64)


@settings(max_examples=40)
@given(centre=st.floats(0, 300), n_max=st.integers(50, 200))
def test_counts_are_whole_and_begin_at_one_until_they_are_too_many(centre, n_max):
    counts, log_step = counts_around(t([centre]), t([centre]).sqrt(), n_max=n_max)
    assert counts.min() >= 1
    assert counts.shape[-1] <= n_max
    assert counts.max() >= centre + 8 * centre**0.5
    if log_step == 0:
        assert torch.equal(counts, counts.round())


@pytest.mark.parametrize("rate", [1e-8, 0.3, 4.0, 80.0, 3e3, 1e7])
def test_weights_are_poissons(rate):
    counts, weights = count_weights(t(rate))
    assert weights.sum().item() == pytest.approx(-torch.expm1(t(-rate)).item(), rel=1e-12)
    if rate < 100:
        reference = stats.poisson(rate).pmf(counts.numpy())
        assert weights.numpy() == pytest.approx(reference, rel=1e-9, abs=1e-15)
    mean = (counts * weights).sum().item()
    variance = (counts.square() * weights).sum().item() - mean**2
    assert mean == pytest.approx(rate, rel=1e-8)
    assert variance == pytest.approx(rate, rel=1e-5)


@pytest.mark.parametrize(("rate", "shape"), [(0.1, 1.0), (1.5, 4.0), (4.0, 0.3), (30.0, 19.0)])
def test_half_the_mean_difference_is_the_integral_of_both_tails(rate, shape):
    counts, weights = count_weights(t(rate))

    def both(x):
        below = stats.gamma.cdf(x, counts.numpy() * shape) @ weights.numpy()
        total = below + float(torch.exp(t(-rate)))
        return total * (1 - total)

    mean, sd = rate * shape, (rate * shape * (shape + 1)) ** 0.5
    edges = [0, 0.01, 0.5, *(mean + k * sd for k in (0, 1, 3, 8, 25, 80))]
    expected = sum(
        integrate.quad(both, a, b, epsabs=1e-10, limit=300)[0] for a, b in pairwise(sorted(edges))
    )
    assert half_difference(t(rate), t(shape)).item() == pytest.approx(expected, rel=1e-6)


def test_no_cells_need_no_terms():
    counts, _ = counts_around(torch.zeros(0, 3), torch.zeros(0, 3), n_max=5)
    assert counts.shape == (0, 3, 1)
