import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.mil.aggregators import Pooled
from biomass_pipeline.mil.heads import MeanHead, ZilnHead

HIDDEN = 5


def pooled(scale, seed=0, n_bags=6):
    chance = torch.Generator().manual_seed(seed)
    return Pooled(
        components=torch.rand(n_bags, 2, generator=chance) * 3 + 0.01,
        embedding=scale * torch.randn(n_bags, HIDDEN, generator=chance),
        shares=torch.zeros(n_bags, 1, 2),
    )


@given(scale=st.sampled_from([0.0, 1.0, 1e3, 1e6]), seed=st.integers(0, 50))
def test_guards_hold_whatever_the_embedding(scale, seed):
    estimate = ZilnHead(HIDDEN, torch.tensor([0.0, 1.0]))(pooled(scale, seed))
    assert estimate.presence_logit.abs().max() <= 8
    assert estimate.spread.min() >= 0.15 - 1e-6
    assert estimate.spread.max() <= 1.0


@given(scale=st.sampled_from([0.0, 1.0, 1e3]), seed=st.integers(0, 50))
def test_the_mean_is_the_distributions_mean(scale, seed):
    bags = pooled(scale, seed)
    estimate = ZilnHead(HIDDEN, torch.tensor([0.3, 0.9]))(bags)
    p = torch.sigmoid(estimate.presence_logit)
    mean = p * torch.exp(estimate.location + estimate.spread.square() / 2)
    assert torch.allclose(mean, bags.components, rtol=1e-3)
    assert torch.equal(estimate.mean, bags.components)


def test_a_fresh_head_starts_at_the_training_frequencies():
    estimate = ZilnHead(HIDDEN, torch.tensor([0.3, 0.9]))(pooled(0.0))
    assert torch.sigmoid(estimate.presence_logit)[0].tolist() == pytest.approx([0.3, 0.9], abs=1e-4)


def test_the_mean_head_passes_components_on():
    bags = pooled(1.0)
    assert torch.equal(MeanHead()(bags).mean, bags.components)
