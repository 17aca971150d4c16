import numpy as np
import pytest
import torch

from biomass_pipeline.mil.scaler import Scaler
from biomass_pipeline_tests.mil.modules import bags_of, normal

# No labels to weigh features by: without relevance nobody looks at them.
UNKNOWN = np.empty((0, 1))

every_scaling = pytest.mark.parametrize("scaling", ["standard", "robust"])


def test_training_tiles_become_standard():
    bags = bags_of(3 + 2 * normal(50, 4, 3))
    z = Scaler(3, clip=1e9).fit(bags, UNKNOWN)(bags).reshape(-1, 3)
    assert z.mean(dim=0).numpy() == pytest.approx(0, abs=1e-5)
    assert z.std(dim=0, correction=0).numpy() == pytest.approx(1, abs=1e-5)


def test_robust_takes_median_and_quartiles_in_sd_of_a_normal_distribution():
    x = 3 + 2 * normal(5000, 2, 3)
    scaler = Scaler(3, clip=4.0, scaling="robust").fit(bags_of(x), UNKNOWN)
    tiles = x.reshape(-1, 3).double().numpy()
    low, middle, high = np.quantile(tiles, (0.25, 0.5, 0.75), axis=0)
    assert scaler.centre.numpy() == pytest.approx(middle, rel=1e-6)
    assert scaler.spread.numpy() == pytest.approx((high - low) / 1.34898, rel=1e-4)
    assert scaler.spread.numpy() == pytest.approx(2, rel=0.05)


def test_a_few_wild_tiles_move_the_standard_scale_and_not_the_robust_one():
    calm = normal(100, 4, 1)
    wild = calm.clone()
    wild[0] = 1e4
    fitted = {
        scaling: [
            Scaler(1, clip=4.0, scaling=scaling).fit(bags_of(x), UNKNOWN) for x in (calm, wild)
        ]
        for scaling in ("standard", "robust")
    }
    assert fitted["standard"][1].spread > 100 * fitted["standard"][0].spread
    assert fitted["robust"][1].spread.item() == pytest.approx(
        fitted["robust"][0].spread.item(), rel=0.1
    )


def test_a_rare_feature_has_no_quartiles_and_is_scaled_by_its_sd():
    x = torch.zeros(100, 1, 1)
    x[:10] = 5.0
    robust, standard = (
        Scaler(1, clip=4.0, scaling=scaling).fit(bags_of(x), UNKNOWN)
        for scaling in ("robust", "standard")
    )
    assert robust.centre.item() == 0
    assert robust.spread.item() == standard.spread.item()


@pytest.mark.parametrize("weight", [(1.0, 1.0), (1.0, 0.5), (2.0, 0.0)])
@pytest.mark.parametrize("padded", [False, True])
def test_a_scaled_tile_is_the_formula_to_the_bit(weight, padded):
    """Steps that change nothing are left out, and only those."""
    x = normal(6, 3, 2)
    mask = torch.ones(6, 3, dtype=torch.bool)
    mask[1, 2] = not padded
    scaler = Scaler(2, clip=1.5)
    scaler.centre.copy_(torch.tensor([0.3, -0.2]))
    scaler.spread.copy_(torch.tensor([0.7, 1.3]))
    scaler.weight.copy_(torch.tensor(weight))
    found = scaler(bags_of(x, mask))
    z = ((x - scaler.centre) / scaler.spread).clamp(-1.5, 1.5) * scaler.weight
    assert torch.equal(found, z * mask[..., None])


@every_scaling
def test_padding_decides_nothing_and_stays_zero(scaling):
    features = normal(10, 3, 2)
    mask = torch.ones(10, 3, dtype=torch.bool)
    mask[:, 2] = False
    scaler = Scaler(2, clip=4.0, scaling=scaling).fit(bags_of(features, mask), UNKNOWN)
    alone = Scaler(2, clip=4.0, scaling=scaling).fit(bags_of(features[:, :2]), UNKNOWN)
    assert torch.equal(scaler.centre, alone.centre)
    assert torch.equal(scaler.spread, alone.spread)
    assert torch.count_nonzero(scaler(bags_of(features, mask))[~mask]) == 0


@every_scaling
@pytest.mark.parametrize("value", [1e30, -1e30])
def test_a_stranger_is_clipped(value, scaling):
    scaler = Scaler(1, clip=4.0, scaling=scaling).fit(bags_of(normal(20, 2, 1)), UNKNOWN)
    z = scaler(bags_of(torch.full((1, 1, 1), value)))
    assert abs(z.item()) == 4.0


@every_scaling
def test_a_feature_that_does_not_vary_says_nothing(scaling):
    scaler = Scaler(1, clip=4.0, scaling=scaling).fit(bags_of(torch.full((5, 2, 1), 7.0)), UNKNOWN)
    assert scaler(bags_of(torch.full((1, 1, 1), 8.0))).item() == 0


def test_relevance_weighs_features_by_what_they_have_to_do_with_the_labels():
    x = normal(200, 3, 3)
    y = x[:, :, :1].mean(dim=1).double().numpy()
    scaler = Scaler(3, clip=1e9, relevance=1.0).fit(bags_of(x), y)
    assert scaler.weight[0] > 5 * scaler.weight[1:].max()
    assert scaler.weight.square().mean().item() == pytest.approx(1, rel=1e-5)


def test_relevance_is_of_the_photo_not_of_the_unit_of_its_labels():
    x = normal(60, 3, 4)
    y = normal(60, 2).double().numpy()
    one, other = (
        Scaler(4, clip=4.0, relevance=0.5).fit(bags_of(x), y * unit + 3) for unit in (1.0, 1000.0)
    )
    assert one.weight.numpy() == pytest.approx(other.weight.numpy(), rel=1e-5)


def test_relevance_without_any_correlation_leaves_features_alike():
    x = normal(20, 2, 3)
    scaler = Scaler(3, clip=4.0, relevance=1.0).fit(bags_of(x), np.ones((20, 1)))
    assert torch.equal(scaler.weight, torch.ones(3))
