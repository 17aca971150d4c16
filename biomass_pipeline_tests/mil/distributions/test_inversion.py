import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.mil.distributions.inversion import invert

FAR = torch.tensor([40.0, 400.0], dtype=torch.float64)
SCALE = FAR / 40


def cdf(y):
    """Half of the mass at 0, the rest exponential: two cells of different scale."""
    return 1 - torch.exp(-y / SCALE) / 2


def log_density(y):
    return -y / SCALE - torch.log(2 * SCALE)


@given(level=st.floats(0.500001, 0.999999))
def test_a_known_distribution_is_inverted(level):
    levels = torch.tensor(level, dtype=torch.float64)
    found = invert(cdf, log_density, levels.expand(3, 1, 2), highest=FAR)
    expected = -torch.log(2 * (1 - levels)) * SCALE
    assert torch.allclose(found, expected.expand(3, 1, 2), rtol=1e-6)
    assert torch.allclose(cdf(found), levels, rtol=0, atol=2e-12)


@settings(max_examples=40)
@given(level=st.floats(0.500001, 0.999999))
def test_a_useless_slope_leaves_it_to_bisection(level):
    levels = torch.tensor([level, level], dtype=torch.float64)
    for slope in (1e30, -1e30, torch.nan):
        found = invert(cdf, lambda y, slope=slope: y * 0 + slope, levels, highest=FAR)
        assert torch.allclose(cdf(found), levels, rtol=0, atol=2e-12)


def test_levels_within_the_mass_at_zero_are_zero_and_one_is_infinite():
    levels = torch.tensor([[0.0], [0.3], [0.5], [1.0]], dtype=torch.float64).expand(4, 2)
    found = invert(cdf, log_density, levels, highest=FAR)
    assert found[:, 0].tolist() == found[:, 1].tolist() == [0, 0, 0, torch.inf]


@pytest.mark.parametrize("tiny", [1e-200, 1e-20])
def test_a_skewed_distribution_begins_at_next_to_nothing(tiny):
    """F = y^0.05 on [0, 1]: the level 1e-10 is at 1e-200."""
    level = torch.tensor([tiny**0.05], dtype=torch.float64)
    found = invert(
        lambda y: y.clamp_max(1) ** 0.05,
        lambda y: torch.log(0.05 * y**-0.95),
        level,
        highest=torch.ones(1, dtype=torch.float64),
    )
    assert found.item() == pytest.approx(tiny, rel=0.5)


def test_many_levels_take_as_few_steps_as_one():
    """What has been found stays: levels that are ready early must not start again."""
    asked = []

    def counted(y):
        asked.append(y.shape)
        return cdf(y)

    levels = torch.linspace(0.501, 0.999, 500, dtype=torch.float64)[:, None].expand(500, 2)
    assert torch.allclose(cdf(invert(counted, log_density, levels, highest=FAR)), levels)
    assert len(asked) <= 10
