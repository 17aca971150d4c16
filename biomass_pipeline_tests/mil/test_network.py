import pytest
import torch
from torch.nn import functional

from biomass_pipeline.mil.network import HalfLinear


@pytest.mark.parametrize("width", [1, 2, 5])
def test_half_of_the_width_stays_linear(width):
    hidden = torch.linspace(-3, 3, 4 * width).reshape(4, width)
    found = HalfLinear()(hidden)
    straight = (width + 1) // 2
    assert torch.equal(found[:, :straight], hidden[:, :straight])
    assert torch.equal(found[:, straight:], functional.gelu(hidden[:, straight:]))
