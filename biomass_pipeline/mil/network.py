"""The network as one module: scaled tiles, a projection, an aggregator, a head."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.aggregators import AGGREGATORS, Pooled
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.losses import OBJECTIVES, LabelScale, Loss, Truth
from biomass_pipeline.mil.scaler import Scaler
from biomass_pipeline.mil.targets import TargetSpec


class HalfLinear(nn.Module):
    """Bends half of the width by GELU and leaves the other half linear.

    A few hundred photos of hand-made features are explained best by a nearly linear model; the
    linear half gives the network that without a second path around the projection.
    """

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape (..., hidden) to the same."""
        n_straight = (hidden.shape[-1] + 1) // 2
        straight, bent = hidden[..., :n_straight], hidden[..., n_straight:]
        return torch.cat([straight, functional.gelu(bent)], dim=-1)


class BagNetwork(nn.Module):
    """Bags to components; sums follow by identity. All that was fitted is in its state.

    Attributes:
        scaler: Statistics of the training tiles.
        labels: Statistics of the training labels, with the identities.
    """

    def __init__(self, *, feature_dim: int, targets: TargetSpec, training: TrainingConfig) -> None:
        super().__init__()
        self.scaler = Scaler(feature_dim, clip=training.feature_clip)
        self.labels = LabelScale(targets)
        self._feature_dim, self._training = feature_dim, training
        self._n_components = len(targets.components)
        self._loss: Loss = OBJECTIVES[training.loss].loss(training)
        self.build()

    def build(self) -> None:
        """Make fresh weights; the head starts from the label statistics fitted so far."""
        training = self._training
        self.projection = nn.Sequential(
            nn.Dropout(training.input_dropout),
            nn.Linear(self._feature_dim, training.hidden_dim),
            HalfLinear(),
            nn.Dropout(training.dropout),
        )
        aggregator = AGGREGATORS[training.aggregator](training, self._n_components)
        self.aggregator = cast("nn.Module", aggregator)
        self.head = OBJECTIVES[training.loss].head(training, self.labels.presence)

    def forward(self, bags: BagBatch) -> Pooled:
        """Aggregate bags of raw features."""
        return self.pool(bags.with_features(self.scaler(bags)))

    def pool(self, scaled: BagBatch) -> Pooled:
        """Aggregate bags that are scaled already: training scales once, not once an epoch."""
        hidden = self.projection(scaled.features)
        return cast("Pooled", self.aggregator(hidden, scaled.mask, scaled.area_weight))

    def estimate(self, scaled: BagBatch) -> Any:  # noqa: ANN401  # its loss knows the type
        """What the head makes of scaled bags; its type is the objective's business."""
        return self.head(self.pool(scaled))

    def loss(self, scaled: BagBatch, truth: Truth) -> Tensor:
        """The objective on scaled bags, the mean over photos."""
        return self._loss(self.estimate(scaled), truth, self.labels)

    @torch.no_grad()
    def components(self, scaled: BagBatch) -> Tensor:
        """Predicted components in the targets' units, shape (bag, component)."""
        return self.pool(scaled).components * self.labels.component_mean
