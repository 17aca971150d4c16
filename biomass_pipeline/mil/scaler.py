"""Scaling of features by the statistics of training tiles, with a clip against strangers."""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biomass_pipeline.mil.bags import BagBatch

# A feature that hardly varies in training would blow any small change up at prediction.
_SPREAD_FLOOR_FRACTION = 1e-3
_SPREAD_FLOOR = 1e-6

# The interquartile range of a normal distribution, in standard deviations.
_IQR_SD = 1.3489795003921634


class Scaler(nn.Module):
    """Scales tiles and clips them, so an unseen session cannot leave the training range.

    Without the clip a linear model on an unseen group reached -25,000 g (see the science notes).
    The statistics are buffers: they travel in the checkpoint and to the device.

    Attributes:
        centre: Shape (feature,), the mean, or the median.
        spread: Shape (feature,), the standard deviation, or the interquartile range as that of a
            normal distribution; infinite for a feature that says nothing.
        weight: Shape (feature,), how much a feature has to do with the labels; its square is 1 on
            average over the features that vary.
    """

    centre: Tensor
    spread: Tensor
    weight: Tensor
    clip: Tensor

    def __init__(
        self,
        feature_dim: int,
        *,
        clip: float,
        scaling: str = "standard",
        relevance: float = 0.0,
    ) -> None:
        """Scale nothing until fitted.

        Args:
            feature_dim: Width of a tile's features.
            clip: Largest size of a scaled feature, before its weight.
            scaling: `standard` or `robust`.
            relevance: Power of a feature's correlation with the labels in its weight; 0: all alike.
        """
        super().__init__()
        self._robust, self._relevance = scaling == "robust", relevance
        self.register_buffer("centre", torch.zeros(feature_dim))
        self.register_buffer("spread", torch.ones(feature_dim))
        self.register_buffer("weight", torch.ones(feature_dim))
        self.register_buffer("clip", torch.tensor(clip))

    @torch.no_grad()
    def fit(self, bags: BagBatch, y: NDArray[np.float64]) -> Self:
        """Take the statistics over the valid tiles of the training bags, in float64.

        A feature of which over half the tiles share one value has a range of 0 between its
        quartiles: where it varies all the same, the robust spread is its standard deviation.

        Args:
            bags: To learn from, raw.
            y: Shape (bag, component), their labels, which weigh the features.
        """
        tiles = bags.features[bags.mask].double()
        centre, spread = tiles.mean(dim=0), tiles.std(dim=0, correction=0)
        if self._robust:
            centre, between = _quartiles(tiles)
            spread = torch.where(between > _floor(centre), between, spread)
        self.centre.copy_(centre)
        self.spread.copy_(torch.where(spread > _floor(centre), spread, torch.inf))
        self.weight.fill_(1.0)
        if not self._relevance:
            return self
        strength = self._correlation(bags, torch.from_numpy(y).to(centre)) ** self._relevance
        strength = torch.where(torch.isfinite(self.spread), strength, 0.0)
        square = strength.square().sum() / torch.isfinite(self.spread).sum().clamp_min(1)
        if square > 0:
            self.weight.copy_(strength / square.sqrt())
        return self

    def forward(self, bags: BagBatch) -> Tensor:
        """Scaled features, shape (bag, tile, feature); |z| <= clip, and 0 where padded."""
        # In place: tiles are large, and room for each step costs more than the step. Between
        # numbers: between tensors, a clamp takes five times as long.
        clip = float(self.clip)
        z = (bags.features - self.centre).div_(self.spread).clamp_(-clip, clip)
        # Each step goes through all tiles again: those that change nothing are left out.
        if not bool((self.weight == 1).all()):
            z.mul_(self.weight)
        return z if bool(bags.mask.all()) else z.mul_(bags.mask[..., None])

    def is_like(self, other: Self) -> bool:
        """Whether another one scales every tile the same, to the bit."""
        mine, theirs = dict(self.named_buffers()), dict(other.named_buffers())
        return all(torch.equal(value, theirs[name]) for name, value in mine.items())

    def _correlation(self, bags: BagBatch, y: Tensor) -> Tensor:
        """Root mean square over components of a photo's mean feature's correlation with them."""
        mean = (self(bags) * bags.area_weight[..., None]).sum(dim=1).double()
        mean, labels = mean - mean.mean(dim=0), y - y.mean(dim=0)
        size = mean.norm(dim=0)[:, None] * labels.norm(dim=0)
        r = torch.where(size > 0, (mean.T @ labels) / size.where(size > 0, 1.0), 0.0)
        return r.square().mean(dim=1).sqrt()


def _floor(centre: Tensor) -> Tensor:
    return (centre.abs() * _SPREAD_FLOOR_FRACTION).clamp_min(_SPREAD_FLOOR)


def _quartiles(tiles: Tensor) -> tuple[Tensor, Tensor]:
    """Median and range between quartiles in sd; `torch.quantile` refuses what is large."""
    low, middle, high = np.quantile(tiles.cpu().numpy(), (0.25, 0.5, 0.75), axis=0)
    between = torch.from_numpy((high - low) / _IQR_SD)
    return torch.from_numpy(middle).to(tiles.device), between.to(tiles.device)
