"""Scaling of features by the statistics of training tiles, with a clip against strangers."""

from typing import Self

import torch
from torch import Tensor, nn

from biomass_pipeline.mil.bags import BagBatch

# A feature that hardly varies in training would blow any small change up at prediction.
_SD_FLOOR_FRACTION = 1e-3
_SD_FLOOR = 1e-6


class Scaler(nn.Module):
    """Standardises tiles and clips them, so an unseen session cannot leave the training range.

    Without the clip a linear model on an unseen group reached -25,000 g (see the science notes).
    The statistics are buffers: they travel in the checkpoint and to the device.
    """

    mean: Tensor
    sd: Tensor
    clip: Tensor

    def __init__(self, feature_dim: int, *, clip: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("sd", torch.ones(feature_dim))
        self.register_buffer("clip", torch.tensor(clip))

    @torch.no_grad()
    def fit(self, bags: BagBatch) -> Self:
        """Take mean and sd over the valid tiles of the training bags, in float64."""
        tiles = bags.features[bags.mask].double()
        mean = tiles.mean(dim=0)
        sd = tiles.std(dim=0, correction=0)
        floor = (mean.abs() * _SD_FLOOR_FRACTION).clamp_min(_SD_FLOOR)
        self.mean.copy_(mean)
        self.sd.copy_(torch.where(sd > floor, sd, torch.inf))
        return self

    def forward(self, bags: BagBatch) -> Tensor:
        """Scaled features, shape (bag, tile, feature); |z| <= clip, and 0 where padded."""
        z = ((bags.features - self.mean) / self.sd).clamp(-self.clip, self.clip)
        return z * bags.mask[..., None]
