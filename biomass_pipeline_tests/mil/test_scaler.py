import pytest
import torch

from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.scaler import Scaler


def bags_of(features, mask=None):
    mask = torch.ones(features.shape[:2], dtype=torch.bool) if mask is None else mask
    return BagBatch(features, mask, mask / mask.sum(dim=1, keepdim=True))


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_training_tiles_become_standard():
    bags = bags_of(3 + 2 * normal(50, 4, 3))
    z = Scaler(3, clip=1e9).fit(bags)(bags).reshape(-1, 3)
    assert z.mean(dim=0).numpy() == pytest.approx(0, abs=1e-5)
    assert z.std(dim=0, correction=0).numpy() == pytest.approx(1, abs=1e-5)


def test_padding_decides_nothing_and_stays_zero():
    features = normal(10, 3, 2)
    mask = torch.ones(10, 3, dtype=torch.bool)
    mask[:, 2] = False
    scaler = Scaler(2, clip=4.0).fit(bags_of(features, mask))
    alone = Scaler(2, clip=4.0).fit(bags_of(features[:, :2]))
    assert torch.equal(scaler.mean, alone.mean)
    assert torch.equal(scaler.sd, alone.sd)
    assert torch.count_nonzero(scaler(bags_of(features, mask))[~mask]) == 0


@pytest.mark.parametrize("value", [1e30, -1e30])
def test_a_stranger_is_clipped(value):
    scaler = Scaler(1, clip=4.0).fit(bags_of(normal(20, 2, 1)))
    z = scaler(bags_of(torch.full((1, 1, 1), value)))
    assert abs(z.item()) == 4.0


def test_a_feature_that_does_not_vary_says_nothing():
    scaler = Scaler(1, clip=4.0).fit(bags_of(torch.full((5, 2, 1), 7.0)))
    assert scaler(bags_of(torch.full((1, 1, 1), 8.0))).item() == 0
