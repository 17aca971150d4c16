"""The gamma hurdle: nothing, or a gamma-distributed mass."""

from math import pi, sqrt
from typing import Self

import numpy as np
import torch
from scipy import special
from torch import Tensor

from biomass_pipeline.mil.distributions.distribution import MEAN_FLOOR, together
from biomass_pipeline.mil.distributions.hurdle import Hurdle


class GammaHurdle(Hurdle):
    """0 with probability 1 - p, else gamma with mean m and shape a: variance m^2 / a.

    `log_prob` has gradients everywhere; the incomplete gamma function behind `cdf`, `crps` and
    `quantile` has none in its shape, so those three are for predictions, not for training.

    Attributes:
        presence_logit: Shape (...), logit of p.
        positive_mean: Shape (...), m, the mean of what is found.
        shape: Shape (...), a; 1 is exponential, large is nearly normal.
    """

    def __init__(self, presence_logit: Tensor, positive_mean: Tensor, shape: Tensor) -> None:
        self.presence_logit, self._mean, self.shape = together(presence_logit, positive_mean, shape)

    @classmethod
    def of_mean(cls, mean: Tensor, presence_logit: Tensor, shape: Tensor) -> Self:
        """The one whose mean, zeros included, is given: `m = mean / p`."""
        return cls(presence_logit, (mean + MEAN_FLOOR) / torch.sigmoid(presence_logit), shape)

    @property
    def positive_mean(self) -> Tensor:
        """The mean of what is found, shape (...)."""
        return self._mean

    def rescaled(self, factor: Tensor | float) -> "GammaHurdle":
        """The distribution of `factor` times the mass: a larger mean, the same shape."""
        times, logit, mean, shape = together(factor, self.presence_logit, self._mean, self.shape)
        return GammaHurdle(logit, mean * times, shape)

    @property
    def _half_difference(self) -> Tensor:
        # (m / a) / B(1/2, a): Jordan, Krueger and Lerch 2019, J. Stat. Softw. 90(12), gamma.
        log_ratio = torch.lgamma(self.shape + 0.5) - torch.lgamma(self.shape)
        return self._mean / self.shape * torch.exp(log_ratio) / sqrt(pi)

    def _below(self, y: Tensor, shape: Tensor) -> Tensor:
        # In float64: the incomplete gamma function loses digits in float32, and differences follow.
        z = y.double() * self.shape / self._mean
        below: Tensor = torch.special.gammainc(shape.double(), z)
        return below.to(y.dtype)

    def _positive_quantile(self, level: Tensor) -> Tensor:
        # scipy has the inverse that torch lacks; exact, and quicker than a search.
        tau, shape = (value.detach().double().cpu().numpy() for value in (level, self.shape))
        inverse = torch.from_numpy(np.asarray(special.gammaincinv(shape, tau))).to(level)
        return self._mean / self.shape * inverse

    def _positive_cdf(self, y: Tensor) -> Tensor:
        return self._below(y, self.shape)

    def _positive_distance(self, y: Tensor) -> Tensor:
        above = 1 - 2 * self._below(y, self.shape + 1)
        return y * (2 * self._below(y, self.shape) - 1) + self._mean * above

    def _positive_log_density(self, y: Tensor) -> Tensor:
        rate = self.shape / self._mean
        powers = self.shape * torch.log(rate * y) - rate * y
        return powers - torch.log(y) - torch.lgamma(self.shape)

    def _positive_sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self._mean / self.shape * standard_gamma(self.shape, n, generator)


def standard_gamma(shape: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw gamma variates of scale 1, shape (n, ...); never exactly 0."""
    # The public torch.distributions.Gamma calls this too, but takes no generator.
    return torch._standard_gamma(shape.expand(n, *shape.shape), generator)  # noqa: SLF001
