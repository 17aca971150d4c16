"""Heads: from an aggregated photo to what a loss needs. Sums by identity are added here as well."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.mil.aggregators import Pooled

# Guards of the likelihood. A smaller spread collapses on a single point, a larger one lets the
# lognormal mean explode; beyond a logit of 8 the presence is certain and its gradient is noise.
SPREAD_MIN = 0.15
SPREAD_MAX = 1.0
LOGIT_MAX = 8.0

# SPREAD_MIN + softplus(_MIDDLE) is about 0.5.
_MIDDLE = -0.87

# Keeps ln(mean) finite where softplus has underflowed to 0.
_MEAN_FLOOR = 1e-6


@dataclass(frozen=True)
class MeanEstimate:
    """Expected components.

    Attributes:
        mean: Shape (bag, component), >= 0, in units of the components' training means.
    """

    mean: Tensor


@dataclass(frozen=True)
class ZilnEstimate:
    """A zero-inflated lognormal of each component (Wang, Liu and Miao 2019, arXiv 1912.07753).

    Attributes:
        mean: Shape (bag, component), E[y] >= 0, in units of the components' training means.
        presence_logit: Shape (bag, component), |logit| <= 8; p = P(y > 0) = sigmoid(logit).
        spread: Shape (bag, component), s of ln y where y > 0, in [0.15, 1].
    """

    mean: Tensor
    presence_logit: Tensor
    spread: Tensor

    @property
    def location(self) -> Tensor:
        """`mu` of ln y where y > 0: ln(mean / p) - s^2 / 2, so that p exp(mu + s^2/2) = mean."""
        log_presence = functional.logsigmoid(self.presence_logit)
        return torch.log(self.mean + _MEAN_FLOOR) - log_presence - self.spread.square() / 2


class MeanHead(nn.Module):
    """Passes the aggregated components on: for losses that need no distribution."""

    def forward(self, pooled: Pooled) -> MeanEstimate:
        """Estimate the mean, which is the aggregator's own."""
        return MeanEstimate(mean=pooled.components)


class ZilnHead(nn.Module):
    """Presence and spread from the photo's embedding; the mean stays the aggregator's.

    The usual heads give (p, mu, s) and the mean p exp(mu + s^2/2) follows, at the mercy of s. Here
    the mean comes first, so it keeps what the aggregator promises (a density that adds up over
    tiles), and mu = ln(mean / p) - s^2/2 is what follows.
    """

    def __init__(self, hidden_dim: int, presence: Tensor) -> None:
        """Start at the training frequencies.

        Args:
            hidden_dim: Width of the embedding.
            presence: Shape (component,), share of training photos in which it was found.
        """
        super().__init__()
        self.presence = nn.Linear(hidden_dim, len(presence))
        self.spread = nn.Linear(hidden_dim, len(presence))
        with torch.no_grad():
            self.presence.weight.mul_(0.1)
            self.spread.weight.mul_(0.1)
            self.presence.bias.copy_(torch.logit(presence.clamp(0.02, 0.98)))
            self.spread.bias.fill_(_MIDDLE)

    def forward(self, pooled: Pooled) -> ZilnEstimate:
        """Estimate the distribution of each component."""
        spread = SPREAD_MIN + functional.softplus(self.spread(pooled.embedding))
        return ZilnEstimate(
            mean=pooled.components,
            presence_logit=self.presence(pooled.embedding).clamp(-LOGIT_MAX, LOGIT_MAX),
            spread=spread.clamp(SPREAD_MIN, SPREAD_MAX),
        )
