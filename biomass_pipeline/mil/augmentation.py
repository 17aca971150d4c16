"""Augmentation of bags in feature space: FroFA, and mixup of whole bags.

Everything here is drawn once a bag (and channel), never once an element: a photo's tiles change
together, as they do under another light. Draws come from a generator that the caller owns, on the
CPU whatever the device, so a GPU sees the same ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from scipy.special import betaincinv
from torch import Tensor, nn

from biomass_pipeline.config import AugmentationConfig
from biomass_pipeline.mil.bags import BagBatch

# Posterising rounds to b of 8 bits.
_BITS = 8


@dataclass(frozen=True)
class UnitBags:
    """Features mapped to [0, 1], as an operation on an image reads them.

    Attributes:
        values: Shape (bag, tile, feature); padding holds anything.
        mean: Shape (bag, 1, 1 or feature), over what the range was taken over.
    """

    values: Tensor
    mean: Tensor


@dataclass(frozen=True)
class Draws:
    """Chance for one operation on one batch: every draw of shape (bag, 1, 1 or feature).

    Attributes:
        shape: What is drawn at once: (bag, 1, 1), or (bag, 1, feature) for a draw a channel.
        magnitude: How far a draw may go.
        chance: Where draws come from.
        device: Where they are wanted.
    """

    shape: tuple[int, int, int]
    magnitude: float
    chance: torch.Generator
    device: torch.device

    def uniform(self) -> Tensor:
        """Between -magnitude and magnitude."""
        unit = torch.rand(self.shape, generator=self.chance)
        return ((2 * unit - 1) * self.magnitude).to(self.device)

    def normal(self) -> Tensor:
        """Of standard deviation magnitude."""
        return (torch.randn(self.shape, generator=self.chance) * self.magnitude).to(self.device)

    def factor(self) -> Tensor:
        """`e^u`, u uniform: as likely to stretch as to shrink, and never a change of sign."""
        return self.uniform().exp()

    def bits_lost(self) -> Tensor:
        """Whole, from 0 to 7 times the magnitude, rounded up."""
        most = ceil(min(self.magnitude, 1.0) * (_BITS - 1))
        lost = torch.randint(0, most + 1, self.shape, generator=self.chance)
        return lost.to(self.device, torch.float32)


Operation = Callable[[UnitBags, Draws], Tensor]


def brightness(unit: UnitBags, draws: Draws) -> Tensor:
    """`x + d`, d uniform."""
    return unit.values + draws.uniform()


def contrast(unit: UnitBags, draws: Draws) -> Tensor:
    """`(x - mean) g + mean`."""
    return (unit.values - unit.mean) * draws.factor() + unit.mean


def posterize(unit: UnitBags, draws: Draws) -> Tensor:
    """`x` rounded down to b of 8 bits, as an image operation drops the lowest bits."""
    step = 2.0 ** draws.bits_lost()
    levels = 2.0**_BITS - 1
    whole = torch.round(unit.values * levels)
    kept = torch.floor(whole / step) * step / levels
    return torch.where(step > 1, kept, unit.values)


def noise(unit: UnitBags, draws: Draws) -> Tensor:
    """`x + e`, e normal: one a bag (and channel), since one an element does harm."""
    return unit.values + draws.normal()


def scale(unit: UnitBags, draws: Draws) -> Tensor:
    """`x g`: away from the smallest value, or towards it."""
    return unit.values * draws.factor()


OPERATIONS: Mapping[str, Operation] = {
    "brightness": brightness,
    "contrast": contrast,
    "posterize": posterize,
    "noise": noise,
    "scale": scale,
}


class FeatureAugmentation(nn.Module):
    """`t^-1 . a . t`: features to [0, 1], an image operation, and back (FroFA).

    Baer et al., Frozen Feature Augmentation for Few-Shot Image Classification, CVPR 2024. The map t
    takes the smallest and largest value of a bag's valid tiles, of all channels together or, under
    c2frofa, of each. A channel that is the same all over a bag has no range and stays as it is: so
    c2frofa leaves a bag of one tile alone.
    """

    def __init__(self, spec: AugmentationConfig) -> None:
        super().__init__()
        self._operation = OPERATIONS[spec.operation]
        self._draw_a_channel = spec.variant != "frofa"
        self._range_a_channel = spec.variant == "c2frofa"
        self._magnitude, self._probability = spec.magnitude, spec.probability

    @torch.no_grad()
    def forward(self, bags: BagBatch, *, chance: torch.Generator) -> BagBatch:
        """Augment raw bags in training; in evaluation they come back as they are.

        Args:
            bags: Of raw features: scaling comes after.
            chance: A generator on the CPU.

        Returns:
            The same bags; padding stays as it is.
        """
        if not self.training:
            return bags
        x, valid = bags.features, bags.mask[..., None]
        n_bags, _, n_features = x.shape
        device = x.device
        chosen = torch.rand((n_bags, 1, 1), generator=chance) < self._probability
        draws = Draws(
            shape=(n_bags, 1, n_features if self._draw_a_channel else 1),
            magnitude=self._magnitude,
            chance=chance,
            device=device,
        )
        over = (1,) if self._range_a_channel else (1, 2)
        low = x.masked_fill(~valid, torch.inf).amin(dim=over, keepdim=True)
        extent = x.masked_fill(~valid, -torch.inf).amax(dim=over, keepdim=True) - low
        values = (x - low) / torch.where(extent > 0, extent, 1.0)
        unit = UnitBags(values, _mean(values, valid, over=over))
        changed = torch.where(extent > 0, low + extent * self._operation(unit, draws), x)
        return bags.with_features(torch.where(chosen.to(device) & valid, changed, x))


class FeatureAugmentations(nn.Module):
    """Several augmentations, one after another; none is none at all."""

    def __init__(self, specs: Sequence[AugmentationConfig]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(FeatureAugmentation(spec) for spec in specs)

    def forward(self, bags: BagBatch, *, chance: torch.Generator) -> BagBatch:
        """Augment raw bags; arguments as in `FeatureAugmentation`."""
        for step in self.steps:
            bags = step(bags, chance=chance)
        return bags


@dataclass(frozen=True)
class Mixture:
    """Every bag of a batch with a partner of the same batch.

    Attributes:
        share: Of the bag itself; the partner has the rest.
        partner: Shape (bag,), positions in the batch.
    """

    share: float
    partner: Tensor

    def bags(self, scaled: BagBatch) -> BagBatch:
        """Mixed bags: features, area weights and covariates by shares, tiles of either.

        Features must be scaled: then a padded tile's 0 is the average tile. A covariate that
        either bag misses is missing.
        """
        other = scaled.select(self.partner)
        return BagBatch(
            features=self._mixed(scaled.features, other.features),
            mask=scaled.mask | other.mask,
            area_weight=self._mixed(scaled.area_weight, other.area_weight),
            covariates=self._mixed(scaled.covariates, other.covariates),
        )

    def losses(self, own: Tensor, partners: Tensor) -> Tensor:
        """`lam L(y1) + (1 - lam) L(y2)`, shape (bag,).

        Labels themselves are never mixed: the mean of a zero and a mass is no zero, and a hurdle
        would unlearn that zeros exist.
        """
        return self._mixed(own, partners)

    def _mixed(self, own: Tensor, partners: Tensor) -> Tensor:
        return self.share * own + (1 - self.share) * partners


def draw_mixture(
    n_bags: int, *, concentration: float, chance: torch.Generator, device: torch.device
) -> Mixture:
    """Draw partners and one share a batch, `lam ~ Beta(a, a)` (Zhang et al. 2018, mixup).

    Args:
        n_bags: Bags in the batch.
        concentration: a, above 0; the smaller, the closer shares lie to 0 or 1.
        chance: A generator on the CPU.
        device: Where the partners are wanted.
    """
    level = torch.rand((), generator=chance, dtype=torch.float64).item()
    share = float(betaincinv(concentration, concentration, level))
    return Mixture(share, torch.randperm(n_bags, generator=chance).to(device))


def _mean(values: Tensor, valid: Tensor, *, over: tuple[int, ...]) -> Tensor:
    """Over valid tiles, and over channels where the range was."""
    n_tiles = valid.sum(dim=1, keepdim=True)
    n_channels = values.shape[2] if 2 in over else 1  # noqa: PLR2004  # the axis of channels
    return (values * valid).sum(dim=over, keepdim=True) / (n_tiles * n_channels)
