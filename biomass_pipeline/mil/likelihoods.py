"""Likelihoods: what a loss adds to the mean to make a distribution of it.

Usual heads give a distribution's parameters and the mean follows, at the mercy of the spread: a
lognormal's is exponentially sensitive to it. Here the mean comes first, so it keeps what the
aggregator promises (a density that adds up over tiles), and the location is what follows. A new
likelihood is a class and a line in `LIKELIHOODS`.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.distributions import Distribution, GammaHurdle, Tweedie, Ziln
from biomass_pipeline.mil.distributions.distribution import MEAN_FLOOR

# Guards of the likelihoods. A smaller spread collapses on a single point, a larger one lets the
# lognormal mean explode; beyond a logit of 8 the presence is certain and its gradient is noise.
SPREAD_MIN = 0.15
SPREAD_MAX = 1.0
LOGIT_MAX = 8.0

# Coefficients of variation from 0.14 to 1.4, much as those of a lognormal with these spreads.
SHAPE_MIN = 0.5
SHAPE_MAX = 50.0

# In units of the mean's variance at a mean of 1.
DISPERSION_MIN = 0.02
DISPERSION_MAX = 20.0

# A learnt power keeps away from Poisson, which lives on a lattice, and from gamma, which has no 0.
POWER_MIN = 1.05
POWER_MAX = 1.95

# Where a fresh likelihood starts.
_SPREAD_START = 0.5
_SHAPE_START = 3.5
_PRESENCE_RANGE = (0.02, 0.98)


class Likelihood(nn.Module):
    """Makes a distribution of a mean and scores labels under it."""

    @abstractmethod
    def forward(self, mean: Tensor, embedding: Tensor) -> Distribution:
        """The distribution of every output, in units of the outputs' training means.

        Args:
            mean: Shape (bag, output), >= 0, E[y] in these units.
            embedding: Shape (bag, hidden).
        """

    def nll(self, distribution: Distribution, scaled: Tensor, present: Tensor) -> Tensor:
        """Negative log-likelihood, shape (bag, output); over all rows, found or not.

        Args:
            distribution: What `forward` gave.
            scaled: Shape (bag, output), labels in units of the outputs' training means.
            present: Shape (bag, output), bool; where it is False the label counts as 0.
        """
        return -distribution.log_prob(torch.where(present, scaled, 0))


class ZilnLikelihood(Likelihood):
    """Presence and spread of a zero-inflated lognormal (Wang, Liu and Miao 2019)."""

    def __init__(self, hidden_dim: int, presence: Tensor) -> None:
        """Start at the training frequencies.

        Args:
            hidden_dim: Width of the embedding.
            presence: Shape (output,), share of training photos in which it was found.
        """
        super().__init__()
        self.presence = _presence_logits(hidden_dim, presence)
        start = torch.full_like(presence, _SPREAD_START - SPREAD_MIN)
        self.spread = _starting_at(_softplus_inverse(start), hidden_dim)

    def forward(self, mean: Tensor, embedding: Tensor) -> Ziln:
        """`s = 0.15 + softplus`, at most 1; |logit| <= 8; `mu = ln(mean / p) - s^2 / 2`."""
        spread = SPREAD_MIN + functional.softplus(self.spread(embedding))
        logit = self.presence(embedding).clamp(-LOGIT_MAX, LOGIT_MAX)
        return Ziln.of_mean(mean, logit, spread.clamp_max(SPREAD_MAX))


class GammaHurdleLikelihood(Likelihood):
    """Presence and shape of a gamma hurdle."""

    def __init__(self, hidden_dim: int, presence: Tensor) -> None:
        """Start at the training frequencies; arguments as of `ZilnLikelihood`."""
        super().__init__()
        self.presence = _presence_logits(hidden_dim, presence)
        start = torch.full_like(presence, _SHAPE_START - SHAPE_MIN)
        self.shape = _starting_at(_softplus_inverse(start), hidden_dim)

    def forward(self, mean: Tensor, embedding: Tensor) -> GammaHurdle:
        """`a = 0.5 + softplus`, at most 50; |logit| <= 8; the mean of what is found is mean / p."""
        shape = SHAPE_MIN + functional.softplus(self.shape(embedding))
        logit = self.presence(embedding).clamp(-LOGIT_MAX, LOGIT_MAX)
        return GammaHurdle.of_mean(mean, logit, shape.clamp_max(SHAPE_MAX))


class TweedieLikelihood(Likelihood):
    """Dispersion of a Tweedie distribution, and its power where that is learnt.

    A learnt power is one number an output, the same for all photos.
    """

    def __init__(self, hidden_dim: int, presence: Tensor, *, power: float | None) -> None:
        """Start at a dispersion that leaves out what training photos leave out.

        Args:
            hidden_dim: Width of the embedding.
            presence: Shape (output,), share of training photos in which it was found.
            power: Between 1 and 2; None to learn it, from 1.5 on.
        """
        super().__init__()
        self.fixed_power = power
        self.raw_power = None if power is not None else nn.Parameter(torch.zeros_like(presence))
        # P(0) = exp(-m^(2-r) / (phi (2-r))) at a mean of 1.
        rate = -torch.log1p(-presence.clamp(*_PRESENCE_RANGE))
        start = 1 / (rate * (2 - self.power.detach()))
        start = start.clamp(2 * DISPERSION_MIN, DISPERSION_MAX / 2) - DISPERSION_MIN
        self.dispersion = _starting_at(_softplus_inverse(start), hidden_dim)

    @property
    def power(self) -> Tensor:
        """r, shape (output,) if learnt, else ()."""
        if self.raw_power is None:
            return torch.tensor(self.fixed_power)
        return POWER_MIN + (POWER_MAX - POWER_MIN) * torch.sigmoid(self.raw_power)

    def forward(self, mean: Tensor, embedding: Tensor) -> Tweedie:
        """`phi = 0.02 + softplus`, at most 20."""
        dispersion = DISPERSION_MIN + functional.softplus(self.dispersion(embedding))
        dispersion = dispersion.clamp_max(DISPERSION_MAX)
        return Tweedie(mean + MEAN_FLOOR, dispersion, self.power.to(mean.device))

    def nll(self, distribution: Distribution, scaled: Tensor, present: Tensor) -> Tensor:
        """Shape (bag, output); arguments as of `Likelihood`.

        With a learnt power: the series likelihood of all parameters. With a fixed one: the
        deviance, which is of the mean alone, and beside it the likelihood of the dispersion at
        that mean.
        """
        y = torch.where(present, scaled, 0)
        if self.raw_power is not None or not isinstance(distribution, Tweedie):
            return -distribution.log_prob(y)
        beside = Tweedie(distribution.mean.detach(), distribution.dispersion, distribution.power)
        return tweedie_deviance(distribution.mean, y, power=distribution.power) - beside.log_prob(y)


def tweedie_deviance(mean: Tensor, y: Tensor, *, power: Tensor) -> Tensor:
    """Twice what the likelihood loses to a mean of y, elementwise; 1 < r < 2, y may be 0.

    `2 [y^(2-r) / ((1-r)(2-r)) - y m^(1-r) / (1-r) + m^(2-r) / (2-r)]`.
    """
    below, above = 1 - power, 2 - power
    label = y**above / (below * above)
    return 2 * (label - y * mean**below / below + mean**above / above)


LikelihoodBuilder = Callable[[TrainingConfig, int, Tensor], Likelihood]


def _tweedie(training: TrainingConfig, hidden_dim: int, presence: Tensor) -> Likelihood:
    power = None if training.tweedie_power == "learnt" else training.tweedie_power
    return TweedieLikelihood(hidden_dim, presence, power=power)


LIKELIHOODS: Mapping[str, LikelihoodBuilder] = {
    "ziln": lambda _training, hidden_dim, presence: ZilnLikelihood(hidden_dim, presence),
    "gamma_hurdle": lambda _training, hidden_dim, presence: GammaHurdleLikelihood(
        hidden_dim, presence
    ),
    "tweedie": _tweedie,
}


def _presence_logits(hidden_dim: int, presence: Tensor) -> nn.Linear:
    return _starting_at(torch.logit(presence.clamp(*_PRESENCE_RANGE)), hidden_dim)


def _starting_at(bias: Tensor, hidden_dim: int) -> nn.Linear:
    """A layer that says the bias at first, and little about the embedding."""
    linear = nn.Linear(hidden_dim, len(bias))
    with torch.no_grad():
        linear.weight.mul_(0.1)
        linear.bias.copy_(bias)
    return linear


def _softplus_inverse(value: Tensor) -> Tensor:
    return value + torch.log(-torch.expm1(-value))
