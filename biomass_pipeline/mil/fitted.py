"""A trained network, and what it said of the photos that it did not learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.distributions import Distribution
from biomass_pipeline.mil.network import BagNetwork
from biomass_pipeline.mil.targets import LabelledBags, TargetSpec

Floats = NDArray[np.float64]

# A rank is the argument of a normal quantile later: never 0 or 1.
_RANK_MARGIN = 1e-6


@dataclass(frozen=True)
class InnerOutputs:
    """A network's predictions of training photos whose groups it did not learn from.

    Attributes:
        image_ids: Shape (row,).
        groups: Shape (row,).
        y: Shape (row, target), the labels.
        outputs: Shape (row, output), as the network gives them: components, or every target.
        ranks: Shape (row, output), the randomised PIT of the labels under the network's
            distributions, in (0, 1); None where the loss has none.
    """

    image_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    y: Floats
    outputs: Floats
    ranks: Floats | None

    @classmethod
    def concatenate(cls, parts: Sequence["InnerOutputs"]) -> "InnerOutputs":
        """Join the rows of several networks of one kind."""
        ranks = [part.ranks for part in parts if part.ranks is not None]
        return cls(
            image_ids=np.concatenate([part.image_ids for part in parts]),
            groups=np.concatenate([part.groups for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            outputs=np.concatenate([part.outputs for part in parts]),
            ranks=np.concatenate(ranks) if len(ranks) == len(parts) else None,
        )

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "InnerOutputs":
        """Undo `to_plain`."""
        ranks = plain["ranks"]
        return cls(
            image_ids=np.array(plain["image_ids"], dtype=np.str_),
            groups=np.array(plain["groups"], dtype=np.str_),
            y=plain["y"].numpy(),
            outputs=plain["outputs"].numpy(),
            ranks=None if ranks is None else ranks.numpy(),
        )

    def to_plain(self) -> dict[str, Any]:
        """Tensors and text only: what a checkpoint may hold."""
        return {
            "image_ids": [str(name) for name in self.image_ids],
            "groups": [str(name) for name in self.groups],
            "y": torch.from_numpy(self.y),
            "outputs": torch.from_numpy(self.outputs),
            "ranks": None if self.ranks is None else torch.from_numpy(self.ranks),
        }


@dataclass(frozen=True)
class FittedNetwork:
    """One network, trained.

    Attributes:
        network: On the CPU, in evaluation mode.
        inner: Its predictions of the training photos it did not learn from.
        best_epoch: The epoch whose weights it has, from 0.
        best_error: Their weighted squared error of the inner photos, in grams squared.
        hyper: What a `BagModule` is built with: feature_dim, targets, training; plain.
    """

    network: BagNetwork
    inner: InnerOutputs
    best_epoch: int
    best_error: float
    hyper: Mapping[str, Any] = field(repr=False)


def predict_inner(
    network: BagNetwork, scaled: BagBatch, labelled: LabelledBags, *, outputs: TargetSpec, seed: int
) -> InnerOutputs:
    """Predict the photos that were set aside.

    Args:
        network: In evaluation mode.
        scaled: The photos.
        labelled: Their labels.
        outputs: What the network puts out.
        seed: Of the ranks' randomisation.
    """
    found = network.distribution(scaled)
    return InnerOutputs(
        image_ids=np.array(labelled.image_ids, dtype=np.str_),
        groups=labelled.groups,
        y=labelled.y,
        outputs=_floats(network.outputs(scaled)),
        ranks=None if found is None else _ranks(found, labelled.y, outputs=outputs, seed=seed),
    )


def _ranks(distribution: Distribution, y: Floats, *, outputs: TargetSpec, seed: int) -> Floats:
    """Randomised PIT: F(y) where something was found, else uniform below F(0)."""
    present = outputs.present(y)
    labels = torch.from_numpy(np.where(present, y[:, list(outputs.component_columns)], 0.0))
    below = _floats(distribution.cdf(labels.to(distribution.mean)))
    uniform = np.random.default_rng(seed).random(below.shape)
    ranks = np.where(present, below, uniform * _floats(distribution.p_zero))
    return np.clip(ranks, _RANK_MARGIN, 1 - _RANK_MARGIN)


def _floats(values: torch.Tensor) -> Floats:
    return np.asarray(values.detach().double().cpu().numpy(), dtype=np.float64)
