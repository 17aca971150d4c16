import importlib.util
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.config import learning as configured
from biomass_pipeline.errors import EmptyBagError
from biomass_pipeline.mil.aggregators import AGGREGATORS, build_aggregator
from biomass_pipeline.mil.aggregators.attention import Attention, attend
from biomass_pipeline.mil.aggregators.pools import AreaMean, GeneralisedMean, Maximum
from biomass_pipeline.mil.aggregators.torchmil_models import TORCHMIL_MODELS
from biomass_pipeline.mil.heads import build_head

HIDDEN = 8
MEANS = torch.tensor([20.0, 3.0, 0.5])
PLAIN = {"hidden_dim": HIDDEN, "attention_dim": 4, "n_heads": 2, "n_queries": 2}
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}

needs_torchmil = pytest.mark.skipif(
    importlib.util.find_spec("torchmil") is None, reason="the extra `torchmil` is not installed"
)
NAMES = [
    *sorted(AGGREGATORS),
    *(
        pytest.param(f"torchmil:{name}", marks=needs_torchmil, id=f"torchmil-{name}")
        for name in sorted(TORCHMIL_MODELS)
    ),
]
each = pytest.mark.parametrize("name", NAMES)
sizes = {"n_bags": st.integers(1, 4), "n_tiles": st.integers(1, 7), "seed": st.integers(0, 99)}
examples = settings(max_examples=20)


@dataclass
class Labels:
    component_mean: torch.Tensor


def build(name, seed=0, **options):
    training = TrainingConfig(aggregator=name, **PLAIN, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_aggregator(training, build_head(training, Labels(MEANS))).eval()


def draw(n_bags, n_tiles, seed):
    chance = torch.Generator().manual_seed(seed)
    hidden = 2 * torch.randn(n_bags, n_tiles, HIDDEN, generator=chance)
    mask = torch.rand(n_bags, n_tiles, generator=chance) < 0.7
    mask[:, 0] = True
    weight = torch.rand(n_bags, n_tiles, generator=chance).clamp_min(0.01) * mask
    return hidden, mask, weight / weight.sum(dim=1, keepdim=True)


def assert_same(one, other):
    assert torch.allclose(one.outputs, other.outputs, **TOLERANCE)
    assert torch.allclose(one.embedding, other.embedding, **TOLERANCE)


def assert_lawful(pooled, mask):
    assert pooled.shares.min() >= 0
    assert torch.allclose(pooled.shares.sum(dim=1), pooled.outputs, **TOLERANCE)
    assert torch.count_nonzero(pooled.shares[~mask]) == 0
    assert torch.isfinite(pooled.embedding).all()


@each
@examples
@given(**sizes)
@torch.no_grad()
def test_the_order_of_tiles_changes_nothing(name, n_bags, n_tiles, seed):
    hidden, mask, weight = draw(n_bags, n_tiles, seed)
    order = torch.randperm(n_tiles, generator=torch.Generator().manual_seed(seed))
    straight = build(name, seed)(hidden, mask, weight)
    mixed = build(name, seed)(hidden[:, order], mask[:, order], weight[:, order])
    assert_same(straight, mixed)
    assert torch.allclose(straight.shares[:, order], mixed.shares, **TOLERANCE)


@each
@examples
@given(**sizes, filler=st.sampled_from([0.0, 1e4, -1e4, "a twin of a tile"]))
@torch.no_grad()
def test_padding_changes_nothing_and_gets_exactly_nothing(name, n_bags, n_tiles, seed, filler):
    hidden, mask, weight = draw(n_bags, n_tiles, seed)
    padding = hidden[:, :1].expand(-1, 3, -1)
    if isinstance(filler, float):
        padding = torch.full_like(padding, filler)
    longer = torch.cat([mask, torch.zeros(n_bags, 3, dtype=torch.bool)], dim=1)
    wider = torch.cat([weight, torch.full((n_bags, 3), 0.5)], dim=1)
    plain = build(name, seed)(hidden, mask, weight)
    padded = build(name, seed)(torch.cat([hidden, padding], dim=1), longer, wider)
    assert_same(plain, padded)
    assert_lawful(padded, longer)


@each
@pytest.mark.parametrize("head", ["components", "total_share"])
@examples
@given(**sizes)
@torch.no_grad()
def test_shares_add_up_and_nothing_is_negative(name, head, n_bags, n_tiles, seed):
    hidden, mask, weight = draw(n_bags, n_tiles, seed)
    assert_lawful(build(name, seed, head=head)(hidden, mask, weight), mask)


@each
@torch.no_grad()
def test_a_bag_of_one_beside_a_bag_of_2500(name):
    hidden, _, _ = draw(2, 2500, 0)
    mask = torch.ones(2, 2500, dtype=torch.bool)
    mask[0, 1:] = False
    weight = mask / mask.sum(dim=1, keepdim=True)
    network = build(name)
    pooled = network(hidden, mask, weight)
    assert_lawful(pooled, mask)
    assert torch.allclose(pooled.shares[0, 0], pooled.outputs[0], **TOLERANCE)
    alone = network(hidden[:1, :1], mask[:1, :1], weight[:1, :1])
    assert torch.allclose(alone.outputs[0], pooled.outputs[0], **TOLERANCE)


@each
@torch.no_grad()
def test_bags_do_not_see_each_other(name):
    hidden, mask, weight = draw(4, 5, 1)
    network = build(name)
    together = network(hidden, mask, weight).outputs
    alone = [network(hidden[[i]], mask[[i]], weight[[i]]).outputs for i in range(4)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


@each
def test_a_bag_of_padding_only_is_an_error(name):
    hidden, mask, weight = draw(2, 3, 0)
    mask[1] = False
    with pytest.raises(EmptyBagError, match="bag 1"):
        build(name)(hidden, mask, weight)


@each
def test_gradients_are_finite_and_none_reaches_padding(name):
    hidden, mask, weight = draw(4, 6, 2)
    hidden = hidden.requires_grad_()
    network = build(name).train()
    pooled = network(hidden, mask, weight)
    (pooled.outputs.sum() + pooled.embedding.square().sum()).backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)
    assert torch.count_nonzero(hidden.grad[mask]) > 0
    assert torch.count_nonzero(hidden.grad[~mask]) == 0


@each
@torch.no_grad()
def test_it_works_under_autocast(name):
    hidden, mask, weight = draw(2, 6, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = build(name)(hidden, mask, weight)
    assert torch.allclose(
        pooled.outputs.float(), build(name)(hidden, mask, weight).outputs, rtol=0.1
    )
    assert torch.allclose(pooled.shares.float().sum(dim=1), pooled.outputs.float(), rtol=1e-2)
    assert torch.count_nonzero(pooled.shares[~mask]) == 0


@torch.no_grad()
def test_softmaxes_are_float32_and_padding_never_outweighs_a_tile_however_unlikely():
    hidden, mask, _ = draw(3, 6, 0)
    for dtype, scale in ((torch.bfloat16, 1.0), (torch.float32, -1e9)):
        tiles = hidden.to(dtype)
        plain = Attention(HIDDEN, attention_dim=4, gated=False).to(dtype)
        plain.score.weight.abs_().mul_(scale)
        plain.content.bias.fill_(1e3)
        by_head = (scale * tiles.abs())[:, None]
        queries = attend(torch.ones_like(by_head), by_head, by_head, mask=mask)[1][:, 0, 0]
        for weight in (plain.weight(tiles, mask), queries):
            assert weight.dtype == torch.float32
            assert torch.count_nonzero(weight[~mask]) == 0
            assert torch.allclose(weight.sum(dim=1), torch.ones(3), atol=1e-5)


@given(n_tiles=st.integers(2, 8), cut=st.floats(0.05, 0.95), seed=st.integers(0, 99))
@torch.no_grad()
def test_a_photo_is_the_area_weighted_sum_of_its_halves(n_tiles, cut, seed):
    density = build("additive_density", seed)
    hidden, _, _ = draw(1, n_tiles, seed)
    mask = torch.ones(1, n_tiles, dtype=torch.bool)
    left = n_tiles // 2
    first_area = torch.full((left,), cut / left)
    second_area = torch.full((n_tiles - left,), (1 - cut) / (n_tiles - left))
    area = torch.cat([first_area, second_area])[None]
    whole = density(hidden, mask, area).outputs
    first = density(hidden[:, :left], mask[:, :left], area[:, :left] / cut).outputs
    second = density(hidden[:, left:], mask[:, left:], area[:, left:] / (1 - cut)).outputs
    assert torch.allclose(whole, cut * first + (1 - cut) * second, atol=1e-5)


@pytest.mark.parametrize("name", ["additive_density", "additive_attention"])
@torch.no_grad()
def test_additive_evidence_is_the_heads_word_on_each_tile(name):
    hidden, mask, weight = draw(3, 5, 0)
    network = build(name)
    inner = network.pool(hidden, mask, weight).weight
    expected = inner[..., None] * network.head(hidden)
    assert torch.allclose(network(hidden, mask, weight).shares, expected)


@pytest.mark.parametrize("name", ["mean", "additive_density", "mean+max+gem"])
@torch.no_grad()
def test_a_tile_cut_in_two_counts_as_before(name):
    hidden, mask, weight = draw(2, 4, 5)
    cut = [torch.cat([part, part[:, :1]], dim=1) for part in (hidden, mask, weight)]
    cut[2][:, [0, -1]] /= 2
    network = build(name)
    assert_same(network(hidden, mask, weight), network(*cut))


def test_the_mean_weighs_by_area_and_the_maximum_by_who_holds_it():
    hidden = torch.tensor([[[1.0, 4.0], [3.0, 2.0], [3.0, 0.0]]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    area = torch.tensor([[0.5, 0.25, 0.25]])
    mean = AreaMean()(hidden, mask, area)
    assert mean.embedding.tolist() == [[2.0, 2.5]]
    assert torch.equal(mean.weight, area)
    top = Maximum()(hidden, mask, area)
    assert top.embedding.tolist() == [[3.0, 4.0]]
    assert top.weight.tolist() == [[0.5, 0.25, 0.25]]


@pytest.mark.parametrize("power", [1.0, 3.0, 40.0])
def test_the_generalised_mean_follows_its_formula_and_does_not_overflow(power):
    pool = GeneralisedMean()
    assert 1 + torch.nn.functional.softplus(pool.raw_power).item() == pytest.approx(3.0)
    with torch.no_grad():
        pool.raw_power.fill_(torch.tensor(power - 1).expm1().log().clamp_min(-60))
    tiles, area = torch.tensor([100.0, 200.0, 400.0]), torch.tensor([0.2, 0.3, 0.5])
    given = pool(tiles[None, :, None], torch.ones(1, 3, dtype=torch.bool), area[None])
    terms = area.double() * tiles.double() ** power
    assert given.embedding.item() == pytest.approx(terms.sum().item() ** (1 / power), rel=1e-4)
    assert torch.allclose(given.weight[0].double(), terms / terms.sum(), atol=1e-5)


@pytest.mark.parametrize("gated", [True, False])
def test_attention_follows_the_published_formula(gated):
    network = Attention(HIDDEN, attention_dim=4, gated=gated)
    hidden, mask, _ = draw(1, 5, 3)
    tiles = hidden[0][mask[0]]
    inner = torch.tanh(tiles @ network.content.weight.T + network.content.bias)
    if gated:
        inner = inner * torch.sigmoid(tiles @ network.gate.weight.T + network.gate.bias)
    logit = (inner @ network.score.weight.T + network.score.bias)[:, 0]
    expected = logit.exp() / logit.exp().sum()
    assert torch.allclose(network.weight(hidden, mask)[0][mask[0]], expected, atol=1e-6)


def test_exact_attention_agrees_with_torch():
    chance = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 4, generator=chance) for _ in range(3))
    mask = torch.tensor([[True] * 5, [True, False, True, False, False]])
    found, weight = attend(query, key, value, mask=mask)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask[:, None, None, :]
    )
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(weight.sum(dim=-1), torch.ones(2, 3, 5))


@pytest.mark.parametrize("n_queries", [1, 2, 3, 4])
def test_queries_and_layers_are_as_configured(n_queries):
    training = TrainingConfig(**{**PLAIN, "n_queries": n_queries}, aggregator="map")
    network = build_aggregator(training, torch.nn.Linear(HIDDEN, 3))
    assert network.pool.query.shape == (2, n_queries, HIDDEN // 2)
    assert len(build("transmil", n_layers=n_queries).pool.together) == n_queries - 1


@pytest.mark.parametrize(("n_layers", "speak"), [(1, False), (2, True)])
@torch.no_grad()
def test_tiles_speak_to_each_other_below_the_last_layer(n_layers, speak):
    training = TrainingConfig(**{**PLAIN, "n_heads": 1}, n_layers=n_layers, aggregator="transmil")
    pool = build_aggregator(training, torch.nn.Linear(HIDDEN, 3)).pool
    hidden, _, area = draw(1, 3, 0)
    other = hidden.clone()
    other[0, 2] = torch.linspace(-3, 3, HIDDEN)
    mask = torch.ones(1, 3, dtype=torch.bool)
    odds = []
    for tiles in (hidden, other):
        weight = pool(tiles, mask, area).weight[0]
        odds.append((weight[0] / weight[1]).item())
    assert (odds[0] == pytest.approx(odds[1], rel=1e-5)) is not speak


def test_the_configuration_offers_what_is_registered():
    assert set(configured.AGGREGATORS) == set(AGGREGATORS)
