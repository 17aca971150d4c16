"""Heads: from hidden features, of a photo or of a tile, to outputs. All start at the mean."""

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.config import TrainingConfig

# softplus(_ONE) = 1: outputs start at 1, which is the mean of the scaled labels.
_ONE = math.log(math.e - 1)


class OutputStatistics(Protocol):
    """What a head reads off the training labels.

    Attributes:
        component_mean: Shape (output,), > 0: mean of each output, in its unit (grams).
    """

    component_mean: Tensor


class ComponentHead(nn.Module):
    """`y_c = softplus(w_c h + b_c)` for each output by itself, in units of its training mean.

    With the components for outputs the sums follow by identity; with all targets for outputs they
    are independent and want reconciling.
    """

    def __init__(self, hidden_dim: int, n_outputs: int) -> None:
        super().__init__()
        self.outputs = _starting_at_one(nn.Linear(hidden_dim, n_outputs))

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape (..., hidden) to (..., output), >= 0."""
        return functional.softplus(self.outputs(hidden))


class TotalShareHead(nn.Module):
    """The total, dealt out: `y_c = T softplus(v h + b) softmax_c(W h + d) / m_c`.

    `m_c` are the components' training means and `T` their sum, so the total is that of all
    components, whatever sums the identities define. It starts at the training means: `d` is the
    logarithm of their shares. The softmax is taken in float32.

    Attributes:
        mean_share: Shape (component,): `m_c / T`.
    """

    mean_share: Tensor

    def __init__(self, hidden_dim: int, component_mean: Tensor) -> None:
        """Start at the training means.

        Args:
            hidden_dim: Width of what it is asked about.
            component_mean: Shape (component,), > 0, in grams.
        """
        super().__init__()
        self.register_buffer("mean_share", component_mean / component_mean.sum())
        self.total = _starting_at_one(nn.Linear(hidden_dim, 1))
        self.share = nn.Linear(hidden_dim, len(component_mean))
        with torch.no_grad():
            self.share.bias.copy_(self.mean_share.log())

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape (..., hidden) to (..., component), >= 0, in units of the components' means."""
        total = functional.softplus(self.total(hidden))
        share = torch.softmax(self.share(hidden).float(), dim=-1)
        return total * share / self.mean_share


HeadBuilder = Callable[[int, OutputStatistics], nn.Module]


def _each_alone(hidden_dim: int, labels: OutputStatistics) -> ComponentHead:
    return ComponentHead(hidden_dim, len(labels.component_mean))


HEADS: Mapping[str, HeadBuilder] = {
    "components": _each_alone,
    "independent": _each_alone,
    "total_share": lambda hidden_dim, labels: TotalShareHead(hidden_dim, labels.component_mean),
}


def build_head(training: TrainingConfig, labels: OutputStatistics) -> nn.Module:
    """Build the configured head with fresh weights.

    Args:
        training: Names it, and gives the width.
        labels: The statistics of the outputs: of the components, or of every target where the head
            is independent. Until they are fitted all means are 1.

    Returns:
        A module of shape (..., hidden) to (..., output), >= 0, in units of the outputs' means.
    """
    return HEADS[training.head](training.hidden_dim, labels)


def _starting_at_one(linear: nn.Linear) -> nn.Linear:
    nn.init.constant_(linear.bias, _ONE)
    return linear
