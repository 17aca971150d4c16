"""A hurdle: nothing is found with probability 1 - p, else a mass of a positive distribution."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from biomass_pipeline.mil.distributions.distribution import together


class Hurdle(ABC):
    """All that follows from the presence and the positive part, whatever its family.

    Attributes:
        presence_logit: Shape (...), logit of p = P(y > 0); infinite where that is certain.
    """

    presence_logit: Tensor

    @property
    def presence(self) -> Tensor:
        """P(y > 0), shape (...)."""
        return torch.sigmoid(self.presence_logit)

    @property
    def p_zero(self) -> Tensor:
        """P(y = 0), shape (...); exact where it is tiny."""
        return torch.sigmoid(-self.presence_logit)

    @property
    def mean(self) -> Tensor:
        """The expectation, shape (...)."""
        return self.presence * self.positive_mean

    @property
    def median(self) -> Tensor:
        """The quantile at one half, shape (...)."""
        return self.quantile(0.5)

    def quantile(self, level: Tensor | float) -> Tensor:
        """0 up to level 1 - p, then the positive part's at `(level - 1 + p) / p`."""
        tau, p = together(level, self.presence)
        positive = ~(1 - tau >= p)
        # By what lies above: 1 - tau is exact where tau is near 1, and tau - (1 - p) is not.
        within = 1 - (1 - tau) / torch.where(positive, p, 1)
        return torch.where(positive, self._positive_quantile(torch.where(positive, within, 0.5)), 0)

    def cdf(self, y: Tensor | float) -> Tensor:
        """`1 - p + p F(y)`, F of the positive part; 0 below 0."""
        value, p, none = together(y, self.presence, self.p_zero)
        below = torch.where(value > 0, self._positive_cdf(_safe(value)), 0)
        return torch.where(value < 0, 0, none + p * below)

    def crps(self, y: Tensor | float) -> Tensor:
        """`E|X - y| - E|X - X'| / 2`, in closed form from the positive part's.

        With m its mean, d(y) its `E|Z - y|` and g its `E|Z - Z'| / 2`:
        `(1-p) y + p d(y) - p (1-p) m - p^2 g`.
        """
        value, p, mean = together(y, self.presence, self.positive_mean)
        distance = torch.where(value > 0, self._positive_distance(_safe(value)), mean)
        spread = p * (1 - p) * mean + p.square() * self._half_difference
        return (1 - p) * value + p * distance - spread

    def log_prob(self, y: Tensor | float) -> Tensor:
        """ln(1 - p) where `y` is 0, else ln p and the positive part's log-density.

        Where nothing is found that density is taken of a safe y = 1 and dropped, so its gradient is
        0 and not NaN.
        """
        value, logit = together(y, self.presence_logit)
        found = functional.logsigmoid(logit) + self._positive_log_density(_safe(value))
        return torch.where(value > 0, found, functional.logsigmoid(-logit))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw, shape (n, ...)."""
        shape = (n, *self.presence_logit.shape)
        chance = torch.rand(
            shape,
            generator=generator,
            dtype=self.presence_logit.dtype,
            device=self.presence_logit.device,
        )
        return torch.where(chance < self.presence, self._positive_sample(n, generator), 0)

    @property
    @abstractmethod
    def positive_mean(self) -> Tensor:
        """The mean of what is found, shape (...)."""

    @property
    @abstractmethod
    def _half_difference(self) -> Tensor:
        """Half the mean difference of two masses that are found, shape (...)."""

    @abstractmethod
    def _positive_quantile(self, level: Tensor) -> Tensor: ...

    @abstractmethod
    def _positive_cdf(self, y: Tensor) -> Tensor: ...

    @abstractmethod
    def _positive_distance(self, y: Tensor) -> Tensor: ...

    @abstractmethod
    def _positive_log_density(self, y: Tensor) -> Tensor: ...

    @abstractmethod
    def _positive_sample(self, n: int, generator: torch.Generator) -> Tensor: ...


def _safe(y: Tensor) -> Tensor:
    return torch.where(y > 0, y, 1)
