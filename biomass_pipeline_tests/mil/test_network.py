"""The network as a whole: what it puts out, in which unit, from what it is given."""

import pytest
import torch
from torch.nn import functional

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.network import BagNetwork, HalfLinear
from biomass_pipeline.mil.targets import TargetSpec

TARGETS = TargetSpec.from_config(DataConfig())


@pytest.mark.parametrize("width", [1, 2, 5])
def test_half_of_the_width_stays_linear(width):
    hidden = torch.linspace(-3, 3, 4 * width).reshape(4, width)
    found = HalfLinear()(hidden)
    straight = (width + 1) // 2
    assert torch.equal(found[:, :straight], hidden[:, :straight])
    assert torch.equal(found[:, straight:], functional.gelu(hidden[:, straight:]))


def network(**training):
    torch.manual_seed(0)
    settings = TrainingConfig(hidden_dim=8, attention_dim=4, **training)
    return BagNetwork(feature_dim=3, targets=TARGETS, training=settings).eval()


def bags(*, n_bags=4, n_tiles=3, n_covariates=0, seed=1):
    chance = torch.Generator().manual_seed(seed)
    return BagBatch(
        features=torch.randn(n_bags, n_tiles, 3, generator=chance),
        mask=torch.ones(n_bags, n_tiles, dtype=torch.bool),
        area_weight=torch.full((n_bags, n_tiles), 1 / n_tiles),
        covariates=torch.randn(n_bags, n_covariates, generator=chance),
    )


@pytest.mark.parametrize("loss", ["huber", "ziln", "gamma_hurdle", "tweedie"])
def test_outputs_are_in_the_units_of_the_targets(loss):
    """Whatever the labels' means, what is put out is that many times what is pooled."""
    net, batch = network(loss=loss), bags()
    scaled = net.scaled(batch)
    pooled = net.pool(scaled).outputs
    mean = torch.tensor([10.0, 100.0, 0.5])
    net.labels.component_mean.copy_(mean)
    assert torch.allclose(net.outputs(scaled), pooled * mean)
    distribution = net.distribution(scaled)
    assert (distribution is None) == (loss == "huber")
    if distribution is not None:
        assert torch.allclose(distribution.mean, pooled * mean, rtol=1e-4)


def fitted(net, batch):
    """Statistics as training leaves them."""
    net.scaler.centre.normal_()
    net.scaler.spread.fill_(2.0)
    assert not torch.equal(net.scaled(batch).features, batch.features)


def test_scaling_once_is_scaling_each_time():
    net, batch = network(), bags()
    fitted(net, batch)
    assert torch.equal(net(batch).outputs, net.pool(net.scaled(batch)).outputs)


def test_a_fresh_network_does_not_read_its_covariates_and_a_moved_one_does():
    net, batch = network(covariates=("height", "season")), bags(n_covariates=3)
    other = bags(n_covariates=3, seed=2).covariates
    changed = BagBatch(batch.features, batch.mask, batch.area_weight, other)
    assert torch.equal(net(changed).outputs, net(batch).outputs)
    torch.nn.init.ones_(net.covariates.last.weight)
    torch.nn.init.normal_(net.projection[1].weight)
    assert not torch.allclose(net(changed).embedding, net(batch).embedding)


def test_without_covariates_there_is_no_encoder():
    assert network().covariates is None


def test_building_again_keeps_what_was_fitted_and_makes_fresh_weights():
    net, batch = network(), bags()
    fitted(net, batch)
    net.labels.component_mean.fill_(7.0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.build()
    after = net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "projection.1.weight" in changed
    assert not any(name.startswith(("scaler.", "labels.")) for name in changed)
