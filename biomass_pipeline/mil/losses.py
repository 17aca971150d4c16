"""Losses over photos. A new one is a function and a line in `OBJECTIVES`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.heads import MeanEstimate, MeanHead, ZilnEstimate, ZilnHead
from biomass_pipeline.mil.targets import TargetSpec

_HALF_LOG_TWO_PI = 0.9189385332046727


@dataclass(frozen=True)
class Truth:
    """Labels as a loss reads them.

    Attributes:
        y: Shape (bag, target), in the targets' units (grams).
        scaled: Shape (bag, component), in units of the components' training means.
        present: Shape (bag, component), bool; decided in the targets' units, before scaling.
    """

    y: Tensor
    scaled: Tensor
    present: Tensor

    def select(self, index: Tensor) -> "Truth":
        """The labels of the given bags, index of shape (bag,)."""
        return Truth(self.y[index], self.scaled[index], self.present[index])


class LabelScale(nn.Module):
    """What training labels say about units: buffers that travel in the checkpoint.

    Attributes:
        component_mean: Shape (component,), mean of each component; 1 where it is never found.
        presence: Shape (component,), share of photos in which each component is found.
        target_sd: Shape (target,), standard deviation of each target; where a target never
            varies, the component mean's size.
        matrix: Shape (target, component), the identities.
        weights: Shape (target,), the metric's weights, sum 1.
    """

    component_mean: Tensor
    presence: Tensor
    target_sd: Tensor
    matrix: Tensor
    weights: Tensor

    def __init__(self, targets: TargetSpec) -> None:
        super().__init__()
        n_components = len(targets.components)
        self.register_buffer("component_mean", torch.ones(n_components))
        self.register_buffer("presence", torch.full((n_components,), 0.5))
        self.register_buffer("target_sd", torch.ones(len(targets.names)))
        self.register_buffer("matrix", torch.tensor(targets.matrix))
        self.register_buffer("weights", torch.tensor(targets.weights))
        self._targets = targets

    def fit(self, y: NDArray[np.float64]) -> None:
        """Read the training labels, shape (bag, target)."""
        components = y[:, list(self._targets.component_columns)]
        means = components.mean(axis=0)
        means = np.where(means > 0, means, 1.0)
        sd = y.std(axis=0)
        size = self._targets.sums(means[None])[0]
        self.component_mean.copy_(torch.from_numpy(means))
        self.presence.copy_(torch.from_numpy(self._targets.present(y).mean(axis=0)))
        self.target_sd.copy_(torch.from_numpy(np.where(sd > 1e-3 * size, sd, size)))

    def truth(self, y: NDArray[np.float64]) -> Truth:
        """Labels of shape (bag, target) as a loss reads them; zeros are found before scaling."""
        present = torch.from_numpy(self._targets.present(y)).to(self.matrix.device)
        components = y[:, list(self._targets.component_columns)]
        scaled = torch.from_numpy(components).to(self.component_mean) / self.component_mean
        return Truth(y=torch.from_numpy(y).to(self.matrix), scaled=scaled, present=present)

    def targets_of(self, mean: Tensor) -> Tensor:
        """Components in units of their means to targets in grams, shape (bag, target)."""
        return (mean * self.component_mean) @ self.matrix.T

    def weighted_huber(self, mean: Tensor, y: Tensor, *, delta: float) -> Tensor:
        """`sum_t w_t Huber(E[y_t] - y_t) / Var(y_t)`, averaged over photos, sums included.

        Args:
            mean: Shape (bag, component), in units of the components' means.
            y: Shape (bag, target), in grams.
            delta: Where the square becomes linear, in standard deviations of the target.
        """
        error = (self.targets_of(mean) - y) / self.target_sd
        each = functional.huber_loss(error, torch.zeros_like(error), delta=delta, reduction="none")
        return (each * self.weights).sum(dim=1).mean()


def ziln_nll(estimate: ZilnEstimate, truth: Truth) -> Tensor:
    """Negative log-likelihood of the zero-inflated lognormal, shape (bag, component).

    `-[y=0] ln(1-p) - [y>0] (ln p - ln(y s sqrt(2 pi)) - (ln y - mu)^2 / (2 s^2))`. Where a
    component is absent the lognormal part is computed on a safe y = 1 and dropped, so its gradient
    is 0 and not NaN. Averaging is the caller's: over all rows, never over the positives alone.
    """
    log_y = torch.log(torch.where(truth.present, truth.scaled, torch.ones_like(truth.scaled)))
    z = (log_y - estimate.location) / estimate.spread
    density = -log_y - torch.log(estimate.spread) - _HALF_LOG_TWO_PI - z.square() / 2
    found = functional.logsigmoid(estimate.presence_logit) + density
    absent = functional.logsigmoid(-estimate.presence_logit)
    return -torch.where(truth.present, found, absent)


Loss = Callable[[Any, Truth, LabelScale], Tensor]


@dataclass(frozen=True)
class Objective:
    """A loss and the head that feeds it.

    Attributes:
        head: (configuration, presence of shape (component,)) to a head.
        loss: (the head's estimate, labels, scale) to a number, the mean over photos.
    """

    head: Callable[[TrainingConfig, Tensor], nn.Module]
    loss: Callable[[TrainingConfig], Loss]


def _huber(training: TrainingConfig) -> Loss:
    def loss(estimate: MeanEstimate, truth: Truth, scale: LabelScale) -> Tensor:
        return scale.weighted_huber(estimate.mean, truth.y, delta=training.huber_delta)

    return loss


def _ziln(training: TrainingConfig) -> Loss:
    def loss(estimate: ZilnEstimate, truth: Truth, scale: LabelScale) -> Tensor:
        likelihood = ziln_nll(estimate, truth).mean()
        point = scale.weighted_huber(estimate.mean, truth.y, delta=training.huber_delta)
        return likelihood + training.mean_weight * point

    return loss


OBJECTIVES: Mapping[str, Objective] = {
    "huber": Objective(head=lambda _training, _presence: MeanHead(), loss=_huber),
    "ziln": Objective(
        head=lambda training, presence: ZilnHead(training.hidden_dim, presence), loss=_ziln
    ),
}
