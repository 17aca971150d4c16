"""Covariates: what is known of a photo beside its pixels (NDVI, height, season), where it is."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.errors import MissingCovariateError

# As for features: an unseen session cannot leave the training range far.
_CLIP_SD = 4.0

# What varies by less than float32 can tell apart does not vary. A year (2015, 2016) still does.
_SD_FLOOR_FRACTION = 1e-5
_SD_FLOOR = 1e-9


class CovariateEncoder(nn.Module):
    """Covariates to what is added to every tile of the photo.

    `out = A gelu(b + sum_c e_c)`, where `e_c` is `w_c z_c` of the standardised value, or a learned
    token of the covariate's own where the value is missing. `A` starts at zero: a fresh network is
    the one without covariates. In training, values are hidden by chance if so configured, each of
    each photo by itself, so that the token is learnt even where nothing is missing.

    Attributes:
        mean: Shape (covariate,), over the training photos that have it.
        sd: Shape (covariate,); infinite where it does not vary, so that it tells nothing.
        ever_missing: Shape (covariate,), bool: whether a training photo lacked it.
    """

    mean: Tensor
    sd: Tensor
    ever_missing: Tensor

    def __init__(self, n_covariates: int, hidden_dim: int, dropout: float) -> None:
        """Make fresh weights; the statistics are neutral until fitted.

        Args:
            n_covariates: How many columns are read.
            hidden_dim: Width of a projected tile.
            dropout: Share of values hidden in training.
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_covariates))
        self.register_buffer("sd", torch.ones(n_covariates))
        self.register_buffer("ever_missing", torch.zeros(n_covariates, dtype=torch.bool))
        scale = max(n_covariates, 1) ** -0.5
        self.weight = nn.Parameter(scale * torch.randn(n_covariates, hidden_dim))
        self.token = nn.Parameter(torch.zeros(n_covariates, hidden_dim))
        self.bias = nn.Parameter(torch.zeros(hidden_dim))
        self.last = nn.Linear(hidden_dim, hidden_dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self._dropout = dropout

    @torch.no_grad()
    def fit(self, covariates: Tensor) -> Self:
        """Take the statistics of training photos, shape (bag, covariate), NaN where missing."""
        values = covariates.double()
        missing = values.isnan()
        found = (~missing).sum(dim=0).clamp_min(1)
        mean = values.nan_to_num(0.0).sum(dim=0) / found
        deviation = (values - mean).nan_to_num(0.0)
        sd = (deviation.square().sum(dim=0) / found).sqrt()
        floor = (mean.abs() * _SD_FLOOR_FRACTION).clamp_min(_SD_FLOOR)
        self.mean.copy_(mean)
        self.sd.copy_(torch.where(sd > floor, sd, torch.inf))
        self.ever_missing.copy_(missing.any(dim=0))
        return self

    def forward(self, covariates: Tensor) -> Tensor:
        """Encode photos.

        Args:
            covariates: Shape (bag, covariate), NaN where missing.

        Returns:
            Shape (bag, hidden).
        """
        missing = covariates.isnan()
        if self.training and self._dropout > 0:
            missing = missing | (torch.rand_like(covariates) < self._dropout)
        # A NaN must not enter the product: where it is not chosen its gradient would still be NaN.
        known = torch.where(missing, self.mean, covariates)
        z = ((known - self.mean) / self.sd).clamp(-_CLIP_SD, _CLIP_SD)
        each = torch.where(missing[..., None], self.token, z[..., None] * self.weight)
        encoded: Tensor = self.last(functional.gelu(self.bias + each.sum(dim=1)))
        return encoded

    def refuse_absent(self, covariates: Tensor, names: Sequence[str]) -> None:
        """Refuse photos without a covariate that the network never learnt to do without.

        Args:
            covariates: Shape (bag, covariate), NaN where missing.
            names: One a covariate.

        Raises:
            MissingCovariateError: A photo lacks a covariate that no training photo lacked, and
                none was hidden in training either.
        """
        if self._dropout > 0:
            return
        lacking = covariates.isnan() & ~self.ever_missing
        if bool(lacking.any()):
            counts = zip(names, lacking.sum(dim=0).tolist(), strict=True)
            raise MissingCovariateError(
                {name: count for name, count in counts if count}, n_photos=len(covariates)
            )
