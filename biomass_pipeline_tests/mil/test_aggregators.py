from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import EmptyBagError
from biomass_pipeline.mil.aggregators import AGGREGATORS, AdditiveDensity, GatedAttention
from biomass_pipeline.mil.losses import OBJECTIVES

HIDDEN, COMPONENTS = 6, 3
SPEC = TrainingConfig(hidden_dim=HIDDEN, attention_dim=4)
each = pytest.mark.parametrize("name", sorted(AGGREGATORS))
sizes = {"n_bags": st.integers(1, 4), "n_tiles": st.integers(1, 7), "seed": st.integers(0, 99)}


def build(name, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AGGREGATORS[name](SPEC, COMPONENTS)


def draw(n_bags, n_tiles, seed):
    chance = torch.Generator().manual_seed(seed)
    hidden = 2 * torch.randn(n_bags, n_tiles, HIDDEN, generator=chance)
    mask = torch.rand(n_bags, n_tiles, generator=chance) < 0.7
    mask[:, 0] = True
    weight = torch.rand(n_bags, n_tiles, generator=chance).clamp_min(0.01) * mask
    return hidden, mask, weight / weight.sum(dim=1, keepdim=True)


@each
@given(**sizes)
def test_the_order_of_tiles_changes_nothing(name, n_bags, n_tiles, seed):
    hidden, mask, weight = draw(n_bags, n_tiles, seed)
    order = torch.randperm(n_tiles, generator=torch.Generator().manual_seed(seed))
    straight = build(name)(hidden, mask, weight)
    mixed = build(name)(hidden[:, order], mask[:, order], weight[:, order])
    assert torch.allclose(straight.components, mixed.components, atol=1e-5)
    assert torch.allclose(straight.embedding, mixed.embedding, atol=1e-5)
    assert torch.allclose(straight.shares[:, order], mixed.shares, atol=1e-5)


@each
@given(**sizes, filler=st.sampled_from([0.0, 1e4, -1e4]))
def test_padding_changes_nothing_and_gets_exactly_nothing(name, n_bags, n_tiles, seed, filler):
    hidden, mask, weight = draw(n_bags, n_tiles, seed)
    padding = torch.full((n_bags, 3, HIDDEN), filler)
    longer = torch.cat([mask, torch.zeros(n_bags, 3, dtype=torch.bool)], dim=1)
    wider = torch.cat([weight, torch.full((n_bags, 3), 0.5)], dim=1)
    plain = build(name)(hidden, mask, weight)
    padded = build(name)(torch.cat([hidden, padding], dim=1), longer, wider)
    assert torch.allclose(plain.components, padded.components, atol=1e-5)
    assert torch.allclose(plain.embedding, padded.embedding, atol=1e-5)
    assert torch.count_nonzero(padded.shares[~longer]) == 0


@each
@given(**sizes)
def test_shares_add_up_and_nothing_is_negative(name, n_bags, n_tiles, seed):
    pooled = build(name)(*draw(n_bags, n_tiles, seed))
    assert torch.allclose(pooled.shares.sum(dim=1), pooled.components, atol=1e-5)
    assert pooled.shares.min() >= 0


@each
def test_bags_do_not_see_each_other(name):
    hidden, mask, weight = draw(4, 5, 1)
    together = build(name)(hidden, mask, weight).components
    alone = [build(name)(hidden[[i]], mask[[i]], weight[[i]]).components for i in range(4)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


@each
def test_a_bag_of_padding_only_is_an_error(name):
    hidden, mask, weight = draw(2, 3, 0)
    mask[1] = False
    with pytest.raises(EmptyBagError, match="bag 1"):
        build(name)(hidden, mask, weight)


@given(n_tiles=st.integers(2, 8), cut=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_a_photo_is_the_area_weighted_sum_of_its_halves(n_tiles, cut, seed):
    density = build("additive_density", seed)
    hidden, _, _ = draw(1, n_tiles, seed)
    mask = torch.ones(1, n_tiles, dtype=torch.bool)
    left = n_tiles // 2
    area = torch.cat(
        [
            torch.full((left,), cut / left),
            torch.full((n_tiles - left,), (1 - cut) / (n_tiles - left)),
        ]
    )[None]
    whole = density(hidden, mask, area).components
    first = density(hidden[:, :left], mask[:, :left], area[:, :left] / cut).components
    second = density(hidden[:, left:], mask[:, left:], area[:, left:] / (1 - cut)).components
    assert torch.allclose(whole, cut * first + (1 - cut) * second, atol=1e-5)


@given(n_bags=st.integers(1, 3), n_tiles=st.integers(1, 7), seed=st.integers(0, 99))
def test_attention_sums_to_one(n_bags, n_tiles, seed):
    hidden, mask, _ = draw(n_bags, n_tiles, seed)
    attention = build("gated_attention").attention(hidden, mask)
    assert torch.allclose(attention.sum(dim=1), torch.ones(n_bags), atol=1e-6)
    assert torch.count_nonzero(attention[~mask]) == 0


def test_attention_follows_the_published_formula():
    network = GatedAttention(HIDDEN, COMPONENTS, attention_dim=4)
    hidden, mask, _ = draw(1, 5, 3)
    tiles = hidden[0][mask[0]]
    v, u, w = network.content, network.gate, network.score
    inner = torch.tanh(tiles @ v.weight.T + v.bias) * torch.sigmoid(tiles @ u.weight.T + u.bias)
    logit = (inner @ w.weight.T + w.bias)[:, 0]
    expected = logit.exp() / logit.exp().sum()
    assert torch.allclose(network.attention(hidden, mask)[0][mask[0]], expected, atol=1e-6)


def test_a_fresh_density_is_near_the_training_mean():
    zero = AdditiveDensity(HIDDEN, COMPONENTS)(
        torch.zeros(1, 1, HIDDEN), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 1)
    )
    assert torch.allclose(zero.components, torch.ones(1, COMPONENTS), atol=1e-6)


def test_the_configuration_offers_what_is_registered():
    fields = TrainingConfig.model_fields
    assert set(get_args(fields["aggregator"].annotation)) == set(AGGREGATORS)
    assert set(get_args(fields["loss"].annotation)) == set(OBJECTIVES)
