from math import exp
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import AugmentationConfig, TrainingConfig
from biomass_pipeline.mil.augmentation import (
    OPERATIONS,
    FeatureAugmentation,
    FeatureAugmentations,
    UnitBags,
    draw_mixture,
)
from biomass_pipeline.mil.losses import Truth
from biomass_pipeline.mil.module import TrainingBatch
from biomass_pipeline_tests.mil.modules import bags_of, module_of, normal, seeded

VARIANTS = get_args(AugmentationConfig.model_fields["variant"].annotation)
every_operation = pytest.mark.parametrize("operation", OPERATIONS)
every_variant = pytest.mark.parametrize("variant", VARIANTS)
additive = pytest.mark.parametrize("operation", ["brightness", "noise"])


def augmented(bags, *, seed=0, **spec):
    step = FeatureAugmentation(AugmentationConfig(**{"magnitude": 0.5} | spec))
    return step(bags, chance=seeded(seed)).features


def padded_bags():
    mask = torch.ones(6, 5, dtype=torch.bool)
    mask[1, 3:] = False
    mask[2, 1:] = False
    return bags_of(5 + normal(6, 5, 4), mask)


def extent(bags, *, over):
    low = bags.features.masked_fill(~bags.mask[..., None], torch.inf).amin(dim=over, keepdim=True)
    high = bags.features.masked_fill(~bags.mask[..., None], -torch.inf)
    return high.amax(dim=over, keepdim=True) - low


def test_every_configured_operation_is_built():
    assert set(OPERATIONS) == set(get_args(AugmentationConfig.model_fields["operation"].annotation))


@every_operation
@every_variant
def test_one_draw_serves_a_whole_bag(operation, variant):
    """Tiles that are alike stay alike: nothing is drawn for a tile, let alone for an element."""
    tiles = normal(8, 3, 6)
    twice = torch.cat([tiles, tiles], dim=1)
    out = augmented(bags_of(twice), operation=operation, variant=variant)
    assert torch.equal(out[:, :3], out[:, 3:])
    assert not torch.equal(out, twice)


@additive
@every_variant
def test_tiles_of_a_bag_shift_together_and_bags_apart(operation, variant):
    bags = padded_bags()
    shift = augmented(bags, operation=operation, variant=variant) - bags.features
    shift = shift / extent(bags, over=1 if variant == "c2frofa" else (1, 2))
    several = [0, 1, 3, 4, 5]  # bag 2 has one tile, and no range under c2frofa
    first = shift[several, :1]
    for number in several:
        tiles = shift[number][bags.mask[number]]
        assert tiles.numpy() == pytest.approx(tiles[:1].expand_as(tiles).numpy(), abs=1e-5)
    assert len(first[:, 0, 0].round(decimals=4).unique()) == len(several)
    apart = first.std(dim=2)
    assert (apart < 1e-5).all() if variant == "frofa" else (apart > 0.01).all()


@additive
def test_a_range_of_its_own_moves_a_narrow_channel_less(operation):
    x = normal(4, 5, 2) * torch.tensor([1.0, 1e-3])
    bags = bags_of(x)
    moved = {
        variant: (augmented(bags, operation=operation, variant=variant) - x).abs()[..., 1].max()
        for variant in ("cfrofa", "c2frofa")
    }
    assert moved["cfrofa"] > 0.05
    assert moved["c2frofa"] < 0.01


def test_brightness_goes_as_far_as_its_magnitude_and_no_further():
    bags = bags_of(normal(500, 3, 4))
    shift = augmented(bags, operation="brightness", variant="cfrofa", magnitude=0.2)
    shift = (shift - bags.features) / extent(bags, over=(1, 2))
    assert shift.abs().max() == pytest.approx(0.2, abs=1e-3)
    assert shift.mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("variant", ["frofa", "c2frofa"])
def test_contrast_keeps_the_mean_of_valid_tiles_and_scales_around_it(variant):
    bags = padded_bags()
    out = augmented(bags, operation="contrast", variant=variant)
    for number in (0, 1, 3):
        tiles = slice(int(bags.mask[number].sum()))
        before, after = bags.features[number, tiles], out[number, tiles]
        dim = (0, 1) if variant == "frofa" else 0
        assert after.mean(dim=dim).numpy() == pytest.approx(before.mean(dim=dim).numpy(), abs=1e-5)
        ratio = after.std(dim=dim) / before.std(dim=dim)
        assert ((ratio > exp(-0.5)) & (ratio < exp(0.5))).all()


def test_scale_keeps_the_smallest_value():
    bags = padded_bags()
    out = augmented(bags, operation="scale", variant="c2frofa")
    inf = torch.full_like(out, torch.inf)
    valid = bags.mask[..., None]
    before, after = (torch.where(valid, x, inf).amin(dim=1) for x in (bags.features, out))
    assert after.numpy() == pytest.approx(before.numpy(), abs=1e-5)


class Lost:
    """Draws that always take away so many bits."""

    def __init__(self, bits):
        self.bits = bits

    def bits_lost(self):
        return torch.full((1, 1, 1), float(self.bits))


@pytest.mark.parametrize("bits", [0, 1, 4, 7])
def test_posterize_leaves_so_many_levels(bits):
    values = torch.linspace(0, 1, 256)[None, :, None]
    out = OPERATIONS["posterize"](UnitBags(values, values.mean(dim=1, keepdim=True)), Lost(bits))
    assert len(out.unique()) == 2 ** (8 - bits)
    assert ((out <= values + 1e-6) & (out > values - 2.0**bits / 255 - 1e-6)).all()


@every_operation
@every_variant
def test_padding_decides_nothing_and_stays_zero(operation, variant):
    x, mask = 5 + normal(4, 3, 2), torch.ones(4, 3, dtype=torch.bool)
    wider = torch.cat([mask, torch.zeros(4, 2, dtype=torch.bool)], dim=1)
    more = bags_of(torch.cat([x, torch.full((4, 2, 2), 9.0)], dim=1), wider)
    spec = {"operation": operation, "variant": variant}
    out = augmented(more, **spec)
    assert torch.equal(out[:, 3:], torch.zeros(4, 2, 2))
    assert out[:, :3].numpy() == pytest.approx(augmented(bags_of(x), **spec).numpy(), abs=1e-5)


@every_operation
def test_nothing_happens_in_evaluation(operation):
    bags, chance = padded_bags(), seeded()
    before = chance.get_state()
    several = FeatureAugmentations([AugmentationConfig(operation=operation)] * 2).eval()
    assert several(bags, chance=chance) is bags
    assert torch.equal(chance.get_state(), before)


def test_none_is_none_at_all():
    bags = padded_bags()
    assert FeatureAugmentations([])(bags, chance=seeded()) is bags


@every_operation
def test_the_generator_decides_and_torchs_own_is_left_alone(operation):
    before = torch.get_rng_state()
    first, again, other = (
        augmented(padded_bags(), operation=operation, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_share_of_the_bags_is_changed_whole_and_the_rest_not_by_a_bit():
    bags = bags_of(normal(400, 3, 4))
    out = augmented(bags, operation="noise", variant="cfrofa", probability=0.25)
    changed = out != bags.features
    assert torch.equal(changed.flatten(1).any(dim=1), changed.flatten(1).all(dim=1))
    assert 0.18 < changed.flatten(1).any(dim=1).float().mean() < 0.32


def test_several_are_done_one_after_another():
    specs = [AugmentationConfig(operation="contrast"), AugmentationConfig(operation="noise")]
    bags, one_by_one = padded_bags(), seeded(3)
    wanted = bags
    for spec in specs:
        wanted = FeatureAugmentation(spec)(wanted, chance=one_by_one)
    together = FeatureAugmentations(specs)(bags, chance=seeded(3))
    assert torch.equal(together.features, wanted.features)


@given(
    operation=st.sampled_from(sorted(OPERATIONS)),
    variant=st.sampled_from(VARIANTS),
    value=st.floats(-6e4, 6e4),
    n_tiles=st.integers(1, 3),
)
def test_a_channel_without_range_stays_as_it_is(operation, variant, value, n_tiles):
    flat = bags_of(torch.full((2, n_tiles, 3), value))
    assert torch.equal(augmented(flat, operation=operation, variant=variant), flat.features)


def test_a_mixture_takes_the_tiles_of_both():
    short = torch.tensor([[True, False, False], [True, True, False]])
    bags = bags_of(normal(2, 3, 4), short)
    mixture = draw_mixture(2, concentration=1.0, chance=seeded(), device=torch.device("cpu"))
    swapped = type(mixture)(0.75, torch.tensor([1, 0]))
    mixed = swapped.bags(bags)
    assert mixed.mask.tolist() == [[True, True, False]] * 2
    own, other = bags.features, bags.features.flip(0)
    assert torch.equal(mixed.features, 0.75 * own + 0.25 * other)
    assert mixed.area_weight.sum(dim=1).tolist() == pytest.approx([1, 1])
    assert torch.count_nonzero(mixed.features[:, 2]) == 0
    assert torch.count_nonzero(mixed.area_weight[:, 2]) == 0


def test_a_covariate_that_either_misses_is_missing():
    bags = bags_of(normal(2, 1, 2))
    known = type(bags)(
        bags.features, bags.mask, bags.area_weight, torch.tensor([[1.0, torch.nan], [3.0, 2.0]])
    )
    mixture = draw_mixture(2, concentration=1.0, chance=seeded(), device=torch.device("cpu"))
    mixed = type(mixture)(0.5, torch.tensor([1, 0])).bags(known).covariates
    assert mixed[:, 0].tolist() == [2.0, 2.0]
    assert mixed[:, 1].isnan().all()


@pytest.mark.parametrize("concentration", [0.2, 1.0, 4.0])
def test_shares_follow_their_beta_distribution(concentration):
    chance, device = seeded(), torch.device("cpu")
    drawn = [
        draw_mixture(4, concentration=concentration, chance=chance, device=device)
        for _ in range(2000)
    ]
    share = torch.tensor([mixture.share for mixture in drawn])
    assert share.mean() == pytest.approx(0.5, abs=0.03)
    assert share.var() == pytest.approx(1 / (4 * (2 * concentration + 1)), rel=0.1)
    assert all(sorted(mixture.partner.tolist()) == [0, 1, 2, 3] for mixture in drawn[:50])


class Recorder(torch.nn.Module):
    """An objective that keeps what it is asked and answers with the clover."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def losses(self, mean, embedding, truth, labels):
        self.asked.append((mean, truth))
        return truth.y[:, 0] + 0 * mean.sum(dim=1)


def test_losses_are_mixed_and_labels_never_so_zeros_survive(quick):
    module = module_of(quick.model_copy(update={"mixup": 1.0})).train()
    module.network.objective = recorder = Recorder()
    module.chance.manual_seed(0)
    y = torch.tensor([0.0, 8.0, 0.0, 2.0])[:, None].expand(4, 5)
    truth = Truth(y, y[:, :3], y[:, :3] > 0)
    batch = TrainingBatch(bags_of(normal(4, 2, 3)), truth, torch.arange(4))
    losses = module._losses(batch).detach()
    mixture = draw_mixture(4, concentration=1.0, chance=seeded(), device=torch.device("cpu"))
    (mean, own), (same_mean, partners) = recorder.asked
    assert mean is same_mean
    assert torch.equal(own.y, truth.y)
    assert torch.equal(partners.y, truth.y[mixture.partner])
    assert own.present.sum() == partners.present.sum() == truth.present.sum()
    wanted = mixture.share * y[:, 0] + (1 - mixture.share) * y[mixture.partner, 0]
    assert losses.tolist() == pytest.approx(wanted.tolist(), rel=1e-6)


def test_features_are_augmented_raw_and_scaled_after(quick):
    """A shift within the clip moves scaled features by its size in training sd."""
    spec = AugmentationConfig(operation="brightness", variant="frofa", magnitude=0.3)
    module = module_of(quick.model_copy(update={"augmentation": (spec,)})).train()
    raw = bags_of(1000 + 10 * normal(6, 4, 3))
    module.network.scaler.fit(raw, np.zeros((len(raw), 1)))
    seen = []
    module.network.pool = lambda bags: seen.append(bags.features) or _stop()
    module.chance.manual_seed(0)
    batch = TrainingBatch(
        raw, module.network.labels.truth(torch.ones(6, 5).numpy()), torch.arange(6)
    )
    with pytest.raises(StopIteration):
        module.training_step(batch, 0)
    step = FeatureAugmentation(spec)
    wanted = module.network.scaler(step(raw, chance=seeded()))
    assert torch.equal(seen[0], wanted)


def _stop():
    raise StopIteration


def test_the_default_augments_nothing():
    assert TrainingConfig().augmentation == ()
    assert TrainingConfig().mixup == 0
