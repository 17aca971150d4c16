"""Losses over photos: labels as a loss reads them, and the mixture that is minimised.

A loss on the mean is a function here and a line in `POINT_LOSSES`; a loss on a distribution is a
likelihood in `mil.likelihoods`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.distributions import Distribution
from biomass_pipeline.mil.likelihoods import LIKELIHOODS, Likelihood
from biomass_pipeline.mil.targets import TargetSpec

# A target that varies less than this share of its size is constant but for rounding.
_CONSTANT = 1e-3

# Of a target without a detection limit, in its unit.
_LEAST_UNIT = 1e-3


@dataclass(frozen=True)
class Truth:
    """Labels as a loss reads them.

    Attributes:
        y: Shape (bag, target), in the targets' units (grams).
        scaled: Shape (bag, output), in units of the outputs' training means.
        present: Shape (bag, output), bool; decided in the targets' units, before scaling.
    """

    y: Tensor
    scaled: Tensor
    present: Tensor

    def select(self, index: Tensor) -> "Truth":
        """The labels of the given bags, index of shape (bag,)."""
        return Truth(self.y[index], self.scaled[index], self.present[index])


class LabelScale(nn.Module):
    """What training labels say about units: buffers that travel in the checkpoint.

    Outputs are the components of the given targets: of `TargetSpec.independent()`, all of them.

    Attributes:
        component_mean: Shape (output,), mean of each output; 1 where it is never found.
        presence: Shape (output,), share of photos in which each output is found.
        target_sd: Shape (target,), standard deviation of each target; where a target never
            varies, the size of its outputs' means.
        matrix: Shape (target, output), the identities.
        weights: Shape (target,), the metric's weights, sum 1.
    """

    component_mean: Tensor
    presence: Tensor
    target_sd: Tensor
    matrix: Tensor
    weights: Tensor

    def __init__(self, targets: TargetSpec) -> None:
        super().__init__()
        n_outputs = len(targets.components)
        self.register_buffer("component_mean", torch.ones(n_outputs))
        self.register_buffer("presence", torch.full((n_outputs,), 0.5))
        self.register_buffer("target_sd", torch.ones(len(targets.names)))
        self.register_buffer("matrix", torch.tensor(targets.matrix))
        self.register_buffer("weights", torch.tensor(targets.weights))
        self._targets = targets

    def fit(self, y: NDArray[np.float64]) -> None:
        """Read the training labels, shape (bag, target)."""
        presence = self._targets.present(y).mean(axis=0)
        means = y[:, list(self._targets.component_columns)].mean(axis=0)
        # What was never found is predicted in units of what would just be found: next to nothing.
        limits = np.array(self._targets.detection_limits)[list(self._targets.component_columns)]
        means = np.where(presence > 0, means, np.maximum(limits, _LEAST_UNIT))
        sd = y.std(axis=0)
        size = self._targets.sums(means[None])[0]
        self.component_mean.copy_(torch.from_numpy(means))
        self.presence.copy_(torch.from_numpy(presence))
        self.target_sd.copy_(torch.from_numpy(np.where(sd > _CONSTANT * size, sd, size)))

    def truth(self, y: NDArray[np.float64]) -> Truth:
        """Labels of shape (bag, target) as a loss reads them; zeros are found before scaling."""
        present = torch.from_numpy(self._targets.present(y)).to(self.matrix.device)
        outputs = y[:, list(self._targets.component_columns)]
        scaled = torch.from_numpy(outputs).to(self.component_mean) / self.component_mean
        return Truth(y=torch.from_numpy(y).to(self.matrix), scaled=scaled, present=present)

    def targets_of(self, mean: Tensor) -> Tensor:
        """Outputs in units of their means to targets in grams, shape (bag, target)."""
        return (mean * self.component_mean) @ self.matrix.T

    def errors(self, mean: Tensor, y: Tensor) -> Tensor:
        """Predicted minus measured, in standard deviations of each target, shape (bag, target).

        Args:
            mean: Shape (bag, output), in units of the outputs' means.
            y: Shape (bag, target), in grams.
        """
        return (self.targets_of(mean) - y) / self.target_sd


def weighted_huber(mean: Tensor, truth: Truth, labels: LabelScale, *, delta: float) -> Tensor:
    """`sum_t w_t Huber(E[y_t] - y_t) / Var(y_t)` of each photo, sums included, shape (bag,).

    Args:
        mean: Shape (bag, output), in units of the outputs' means.
        truth: The same photos' labels.
        labels: Units, identities and the metric's weights.
        delta: Where the square, which is halved, becomes linear, in sd of the target.
    """
    error = labels.errors(mean, truth.y)
    each = functional.huber_loss(error, torch.zeros_like(error), delta=delta, reduction="none")
    return (each * labels.weights).sum(dim=1)


def weighted_squared_error(mean: Tensor, truth: Truth, labels: LabelScale) -> Tensor:
    """`sum_t w_t (E[y_t] - y_t)^2 / Var(y_t)` of each photo, sums included, shape (bag,).

    Args:
        mean: Shape (bag, output), in units of the outputs' means.
        truth: The same photos' labels.
        labels: Units, identities and the metric's weights.
    """
    return (labels.errors(mean, truth.y).square() * labels.weights).sum(dim=1)


PointLoss = Callable[[TrainingConfig, Tensor, Truth, LabelScale], Tensor]

POINT_LOSSES: Mapping[str, PointLoss] = {
    "huber": lambda training, mean, truth, labels: weighted_huber(
        mean, truth, labels, delta=training.huber_delta
    ),
    "squared_error": lambda _training, mean, truth, labels: weighted_squared_error(
        mean, truth, labels
    ),
}


class Objective(nn.Module):
    """The mixture of losses that a network minimises, by the weights of `training.loss`.

    Losses on the mean keep it honest in grams; a likelihood adds presence and spread to it.
    """

    def __init__(self, training: TrainingConfig, labels: LabelScale) -> None:
        """Make fresh likelihoods.

        Args:
            training: The mixture, and what its losses are set to.
            labels: Fitted already: likelihoods start at the outputs' presence.
        """
        super().__init__()
        self._training = training
        found = {name: weight for name, weight in training.loss.items() if name in LIKELIHOODS}
        self._heaviest = max(found, key=found.__getitem__, default=None)
        self.likelihoods = nn.ModuleDict(
            {
                name: LIKELIHOODS[name](training, training.hidden_dim, labels.presence)
                for name in found
            }
        )

    def losses(self, mean: Tensor, embedding: Tensor, truth: Truth, labels: LabelScale) -> Tensor:
        """One number a photo, shape (bag,); their mean is the loss, over all photos.

        A likelihood's part is its mean over outputs, found or not.

        Args:
            mean: Shape (bag, output), >= 0, in units of the outputs' training means.
            embedding: Shape (bag, hidden).
            truth: The same photos' labels.
            labels: Units, identities and the metric's weights.
        """
        parts = []
        for name, weight in self._training.loss.items():
            if name in POINT_LOSSES:
                each = POINT_LOSSES[name](self._training, mean, truth, labels)
            else:
                likelihood = self._likelihood(name)
                distribution = likelihood(mean, embedding)
                each = likelihood.nll(distribution, truth.scaled, truth.present).mean(dim=1)
            parts.append(weight * each)
        return torch.stack(parts).sum(dim=0)

    def distribution(self, mean: Tensor, embedding: Tensor) -> Distribution | None:
        """That of the heaviest likelihood, the first of equals; None where there is none.

        Args:
            mean: Shape (bag, output), >= 0, in units of the outputs' training means.
            embedding: Shape (bag, hidden).
        """
        if self._heaviest is None:
            return None
        return cast("Distribution", self._likelihood(self._heaviest)(mean, embedding))

    def _likelihood(self, name: str) -> Likelihood:
        return cast("Likelihood", self.likelihoods[name])
