"""The Tweedie distribution between Poisson and gamma: a Poisson number of gamma-sized lumps."""

import torch
from torch import Tensor

from biomass_pipeline.mil.distributions.compound_poisson import (
    count_weights,
    half_difference,
    log_series,
)
from biomass_pipeline.mil.distributions.distribution import together
from biomass_pipeline.mil.distributions.gamma_hurdle import standard_gamma
from biomass_pipeline.mil.distributions.inversion import invert

# A mean of exactly 0 is one of almost 0: its logarithm is asked for.
_SMALLEST_MEAN = 1e-30


class Tweedie:
    """Mean m, variance `phi m^r` with 1 < r < 2, and a mass at 0 (Dunn and Smyth 2005).

    It is a Poisson number N of gamma variates: `N ~ Poisson(m^(2-r) / (phi (2-r)))`, each of
    shape `(2-r)/(r-1)` and scale `phi (r-1) m^(r-1)`. `log_prob` has gradients in all parameters;
    `cdf`, `crps` and `quantile` are for predictions, not for training.

    Attributes:
        mean: Shape (...), m >= 0, zeros included.
        dispersion: Shape (...), phi > 0, in the unit of y to the 2 - r.
        power: Shape (...), r in (1, 2).
    """

    def __init__(self, mean: Tensor, dispersion: Tensor, power: Tensor) -> None:
        self._mean, self.dispersion, self.power = together(mean, dispersion, power)

    @property
    def mean(self) -> Tensor:
        """The expectation, shape (...)."""
        return self._mean

    @property
    def median(self) -> Tensor:
        """The quantile at one half, shape (...)."""
        return self.quantile(0.5)

    @property
    def p_zero(self) -> Tensor:
        """P(N = 0), shape (...)."""
        return torch.exp(-self._lumps()[0]).to(self._mean.dtype)

    def quantile(self, level: Tensor | float) -> Tensor:
        """0 up to `p_zero`, then by searching ln y."""
        tau = together(level, self._mean)[0]
        rate, shape, scale = self._lumps()
        exact = Tweedie(*self._exactly())
        highest = _far(rate, shape) * scale
        return invert(exact.cdf, exact.log_prob, tau.double(), highest=highest).to(tau.dtype)

    def cdf(self, y: Tensor | float) -> Tensor:
        """`P(N = 0) + sum_k P(N = k) P(k lumps weigh at most y)`; 0 below 0."""
        value = together(y, self._mean)[0]
        rate, shape, scale = self._lumps()
        counts, weights = count_weights(rate)
        z = (value.double().clamp_min(0) / scale)[..., None]
        below = (weights * torch.special.gammainc(counts * shape[..., None], z)).sum(dim=-1)
        whole = (torch.exp(-rate) + below).clamp_max(1)
        return torch.where(value < 0, 0, whole).to(value.dtype)

    def crps(self, y: Tensor | float) -> Tensor:
        """`E|X - y| - E|X - X'| / 2`: the first over the number of lumps, the second integrated."""
        value = together(y, self._mean)[0]
        rate, shape, scale = self._lumps()
        counts, weights = count_weights(rate)
        z = value.double() / scale
        order = counts * shape[..., None]
        below = torch.exp(-rate) + (weights * torch.special.gammainc(order, z[..., None])).sum(-1)
        partial = (weights * order * torch.special.gammainc(order + 1, z[..., None])).sum(-1)
        distance = z * (2 * below - 1) + rate * shape - 2 * partial
        score: Tensor = scale * (distance - half_difference(rate, shape))
        return score.to(value.dtype)

    def log_prob(self, y: Tensor | float) -> Tensor:
        """The log of P(N = 0) where `y` is 0, else the log-density by Dunn and Smyth's series."""
        value = together(y, self._mean)[0]
        _mean, dispersion, power = self._exactly()
        safe = torch.where(value > 0, value, 1).double()
        rate, _shape, scale = self._lumps()
        series = log_series(safe, dispersion.expand_as(safe), power.expand_as(safe))
        density = series - torch.log(safe) - rate - safe / scale
        return torch.where(value > 0, density, -rate).to(value.dtype)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw N, then the sum of N lumps, which is one gamma variate; shape (n, ...)."""
        rate, shape, scale = self._lumps()
        lumps = torch.poisson(rate.expand(n, *rate.shape), generator)
        some = lumps > 0
        sums = standard_gamma(torch.where(some, lumps * shape, 1), 1, generator)[0]
        return torch.where(some, sums * scale, 0).to(self._mean.dtype)

    def rescaled(self, factor: Tensor | float) -> "Tweedie":
        """The distribution of `factor` times the mass; the dispersion grows by its power 2 - r."""
        times, mean, dispersion, power = together(factor, self._mean, self.dispersion, self.power)
        return Tweedie(mean * times, dispersion * times ** (2 - power), power)

    def _exactly(self) -> tuple[Tensor, Tensor, Tensor]:
        mean = self._mean.double().clamp_min(_SMALLEST_MEAN)
        return mean, self.dispersion.double(), self.power.double()

    def _lumps(self) -> tuple[Tensor, Tensor, Tensor]:
        """How many lumps are expected, and the shape and scale of a lump; float64."""
        mean, dispersion, power = self._exactly()
        rate = mean ** (2 - power) / (dispersion * (2 - power))
        shape = (2 - power) / (power - 1)
        return rate, shape, dispersion * (power - 1) * mean ** (power - 1)


def _far(rate: Tensor, shape: Tensor) -> Tensor:
    """A mass that is exceeded with a probability below 1e-15, in units of a lump's scale."""
    sd = torch.sqrt(rate * shape * (shape + 1))
    return rate * shape + 40 * sd + 40 + 4 * shape
