"""The zero-inflated lognormal distribution."""

from math import log, pi
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from biomass_pipeline.mil.distributions.distribution import MEAN_FLOOR, together
from biomass_pipeline.mil.distributions.hurdle import Hurdle

_HALF_LOG_TWO_PI = log(2 * pi) / 2


class Ziln(Hurdle):
    """0 with probability 1 - p, else lognormal (Wang, Liu and Miao 2019, arXiv 1912.07753).

    Attributes:
        presence_logit: Shape (...), logit of p.
        location: Shape (...), `mu` of ln y where y > 0.
        spread: Shape (...), `s` of ln y where y > 0.
    """

    def __init__(self, presence_logit: Tensor, location: Tensor, spread: Tensor) -> None:
        self.presence_logit, self.location, self.spread = together(presence_logit, location, spread)

    @classmethod
    def of_mean(cls, mean: Tensor, presence_logit: Tensor, spread: Tensor) -> Self:
        """The one whose mean, zeros included, is given: `mu = ln(mean / p) - s^2 / 2`."""
        log_positive = torch.log(mean + MEAN_FLOOR) - functional.logsigmoid(presence_logit)
        return cls(presence_logit, log_positive - spread.square() / 2, spread)

    @property
    def positive_mean(self) -> Tensor:
        """`exp(mu + s^2 / 2)`, shape (...)."""
        return torch.exp(self.location + self.spread.square() / 2)

    def rescaled(self, factor: Tensor | float) -> "Ziln":
        """The distribution of `factor` times the mass: ln(factor) further up."""
        times, logit, location, spread = together(
            factor, self.presence_logit, self.location, self.spread
        )
        return Ziln(logit, location + torch.log(times), spread)

    @property
    def _half_difference(self) -> Tensor:
        return self.positive_mean * torch.erf(self.spread / 2)

    def _z(self, y: Tensor) -> Tensor:
        return (torch.log(y) - self.location) / self.spread

    def _positive_quantile(self, level: Tensor) -> Tensor:
        quantile: Tensor = torch.exp(self.location + self.spread * torch.special.ndtri(level))
        return quantile

    def _positive_cdf(self, y: Tensor) -> Tensor:
        below: Tensor = torch.special.ndtr(self._z(y))
        return below

    def _positive_distance(self, y: Tensor) -> Tensor:
        z = self._z(y)
        above = 1 - 2 * torch.special.ndtr(z - self.spread)
        distance: Tensor = y * (2 * torch.special.ndtr(z) - 1) + self.positive_mean * above
        return distance

    def _positive_log_density(self, y: Tensor) -> Tensor:
        half_square: Tensor = self._z(y).square() / 2
        return -torch.log(y) - torch.log(self.spread) - _HALF_LOG_TWO_PI - half_square

    def _positive_sample(self, n: int, generator: torch.Generator) -> Tensor:
        normal = torch.randn(
            (n, *self.location.shape),
            generator=generator,
            dtype=self.location.dtype,
            device=self.location.device,
        )
        return torch.exp(self.location + self.spread * normal)
