"""The network as one module: projection, covariates, aggregator, objective."""

from collections.abc import Mapping
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.aggregators import AdditiveAggregator, Pooled, build_aggregator
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.covariates import CovariateEncoder
from biomass_pipeline.mil.distributions import Distribution
from biomass_pipeline.mil.heads import build_head
from biomass_pipeline.mil.losses import LabelScale, Objective, Truth
from biomass_pipeline.mil.metadata import covariate_columns
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
    """Bags to outputs: the components, or every target where the head is independent.

    All that was fitted is in its state, so a checkpoint needs nothing beside it.

    Attributes:
        scaler: Statistics of the training tiles.
        labels: Statistics of the training labels, with the identities.
        covariates: Reads what is known beside the photo; None where nothing is.
    """

    def __init__(self, *, feature_dim: int, targets: TargetSpec, training: TrainingConfig) -> None:
        """Build the network.

        Args:
            feature_dim: Width of a tile's features.
            targets: What is put out: the targets, or `TargetSpec.independent()` of them.
            training: What it is made of.
        """
        super().__init__()
        self.scaler = Scaler(
            feature_dim,
            clip=training.feature_clip,
            scaling=training.feature_scaling,
            relevance=training.feature_relevance,
        )
        self.labels = LabelScale(targets)
        self._feature_dim, self._training = feature_dim, training
        self.build()

    @classmethod
    def from_plain(
        cls, *, feature_dim: int, targets: Mapping[str, Any], training: Mapping[str, Any]
    ) -> Self:
        """Build the network that a checkpoint describes.

        Args:
            feature_dim: Width of a tile's features.
            targets: What `TargetSpec.to_plain` gave of the targets as configured.
            training: A dumped `TrainingConfig`.
        """
        config = TrainingConfig.model_validate(dict(training))
        outputs = outputs_of(TargetSpec.from_plain(dict(targets)), config)
        return cls(feature_dim=feature_dim, targets=outputs, training=config)

    def build(self) -> None:
        """Make fresh weights; heads start from the label statistics fitted so far."""
        training = self._training
        self.projection = nn.Sequential(
            nn.Dropout(training.input_dropout),
            nn.Linear(self._feature_dim, training.hidden_dim),
            HalfLinear(),
            nn.Dropout(training.dropout),
        )
        n_covariates = len(covariate_columns(training.covariates))
        self.covariates = (
            CovariateEncoder(n_covariates, training.hidden_dim, dropout=training.covariate_dropout)
            if n_covariates
            else None
        )
        self.aggregator = build_aggregator(training, build_head(training, self.labels))
        self.objective = Objective(training, self.labels)

    @property
    def additive(self) -> bool:
        """Whether the head is asked at each tile, so that shares are what is found there."""
        return isinstance(self.aggregator, AdditiveAggregator)

    def forward(self, bags: BagBatch) -> Pooled:
        """Aggregate bags of raw features."""
        return self.pool(self.scaled(bags))

    def scaled(self, bags: BagBatch) -> BagBatch:
        """Bags of raw features as the other methods read them."""
        return bags.with_features(self.scaler(bags))

    def pool(self, scaled: BagBatch) -> Pooled:
        """Aggregate bags that are scaled already: training scales once, not once an epoch."""
        hidden = self.projection(scaled.features)
        if self.covariates is not None:
            hidden = hidden + self.covariates(scaled.covariates)[:, None, :]
        return cast("Pooled", self.aggregator(hidden, scaled.mask, scaled.area_weight))

    def losses(self, scaled: BagBatch, truth: Truth) -> Tensor:
        """The objective of each scaled bag, shape (bag,)."""
        pooled = self.pool(scaled)
        return self.objective.losses(pooled.outputs, pooled.embedding, truth, self.labels)

    @torch.no_grad()
    def predicted(self, scaled: BagBatch) -> tuple[Tensor, Distribution | None]:
        """Outputs, shape (bag, output), and their distributions where the loss has some.

        Both are in the targets' units.
        """
        pooled, units = self.pool(scaled), self.labels.component_mean
        found = self.objective.distribution(pooled.outputs, pooled.embedding)
        return pooled.outputs * units, None if found is None else found.rescaled(units)

    def outputs(self, scaled: BagBatch) -> Tensor:
        """Predicted outputs in the targets' units, shape (bag, output)."""
        return self.predicted(scaled)[0]

    def distribution(self, scaled: BagBatch) -> Distribution | None:
        """The outputs' distributions in the targets' units; None where the loss has none."""
        return self.predicted(scaled)[1]


def outputs_of(targets: TargetSpec, training: TrainingConfig) -> TargetSpec:
    """What a network puts out: the targets' components, or every target by itself."""
    return targets.independent() if training.head == "independent" else targets
