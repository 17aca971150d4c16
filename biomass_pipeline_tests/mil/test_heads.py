from dataclasses import dataclass
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.heads import HEADS, build_head

HIDDEN = 5
MEANS = torch.tensor([30.0, 4.0, 0.5])
each = pytest.mark.parametrize("name", sorted(HEADS))


@dataclass
class Labels:
    component_mean: torch.Tensor


def build(name, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_head(TrainingConfig(hidden_dim=HIDDEN, head=name), Labels(MEANS))


@each
@given(scale=st.sampled_from([0.0, 1.0, 1e2, 1e4]), seed=st.integers(0, 50))
@torch.no_grad()
def test_outputs_are_finite_and_not_negative_on_photos_and_on_tiles(name, scale, seed):
    tiles = scale * torch.randn(2, 4, HIDDEN, generator=torch.Generator().manual_seed(seed))
    head = build(name, seed)
    outputs = head(tiles)
    assert outputs.shape == (2, 4, 3)
    assert outputs.min() >= 0
    assert torch.isfinite(outputs).all()
    assert torch.allclose(head(tiles[:, 1]), outputs[:, 1], rtol=1e-4)


@each
@torch.no_grad()
def test_a_fresh_head_starts_at_the_training_means(name):
    assert torch.allclose(build(name)(torch.zeros(2, HIDDEN)), torch.ones(2, 3), atol=1e-5)


@given(seed=st.integers(0, 50))
@torch.no_grad()
def test_shares_of_the_total_add_up_to_it_in_grams(seed):
    hidden = 3 * torch.randn(6, HIDDEN, generator=torch.Generator().manual_seed(seed))
    head = build("total_share", seed)
    grams = head(hidden) * MEANS
    total = torch.nn.functional.softplus(head.total(hidden)) * MEANS.sum()
    assert torch.allclose(grams.sum(dim=-1, keepdim=True), total, rtol=1e-4)
    share = torch.softmax(head.share(hidden), dim=-1)
    assert torch.allclose(grams / grams.sum(dim=-1, keepdim=True), share, atol=1e-5)


def test_the_unit_of_the_shares_travels_in_the_state():
    fitted, fresh = build("total_share"), build("total_share", seed=1)
    fresh.mean_share.fill_(1 / 3)
    fresh.load_state_dict(fitted.state_dict())
    hidden = torch.randn(4, HIDDEN, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fresh(hidden), fitted(hidden))


def test_outputs_do_not_share_weights_where_each_is_alone():
    head = build("independent")
    head(torch.ones(1, HIDDEN))[0, 1].backward()
    assert torch.count_nonzero(head.outputs.weight.grad[[0, 2]]) == 0
    assert torch.count_nonzero(head.outputs.weight.grad[1]) == HIDDEN


def test_the_configuration_offers_what_is_registered():
    assert set(get_args(TrainingConfig.model_fields["head"].annotation)) == set(HEADS)
