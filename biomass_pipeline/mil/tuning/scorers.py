"""How settings are scored: a network, or the ridge, on groups that it did not learn from."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.fitted import InnerOutputs
from biomass_pipeline.mil.network import outputs_of
from biomass_pipeline.mil.ridge import fit_ridge
from biomass_pipeline.mil.targets import LabelledBags, Recipe, TargetSpec
from biomass_pipeline.mil.training import FitOptions, Parts, fit_network
from biomass_pipeline.scoring import weighted_r2
from biomass_pipeline.store.bags import FeatureSet


@dataclass(frozen=True)
class NetworkScorer:
    """Scores settings by one network for each inner part, pooled.

    Every trial learns from, and is scored on, the same photos as the networks of the ensemble that
    will be trained.

    Attributes:
        bags: All photos of the study, on the device.
        labelled: Their labels.
        data: The targets.
        parts: Which photos are learnt from, and which are scored; one network each.
        options: What goes with training, and never changes it.
    """

    bags: BagBatch
    labelled: LabelledBags
    data: DataConfig
    parts: tuple[Parts, ...]
    options: FitOptions

    def score(self, training: TrainingConfig, *, on_epoch: Callable[[int, float], None]) -> float:
        """The global weighted R2 of the inner photos.

        Epochs of the first network only are told: those of the others have no like to be compared
        with.
        """
        said = [
            fit_network(
                self.bags,
                self.labelled,
                data=self.data,
                training=training,
                parts=parts,
                number=number,
                options=self._options(number, on_epoch),
            ).inner
            for number, parts in enumerate(self.parts)
        ]
        inner = InnerOutputs.concatenate(said)
        outputs = outputs_of(TargetSpec.from_config(self.data), training)
        return _r2(inner.y, outputs.sums(inner.outputs), data=self.data)

    def _options(self, number: int, on_epoch: Callable[[int, float], None]) -> FitOptions:
        """With a listener to the first network, told the R2 that trials are scored by."""
        if number > 0:
            return self.options
        spread = weighted_spread(self.labelled.y[self.parts[0].inner], data=self.data)
        return replace(
            self.options, on_epoch=lambda epoch, error: on_epoch(epoch, 1.0 - error / spread)
        )


@dataclass(frozen=True)
class RidgeScorer:
    """Scores settings of the ridge by its own inner cross-validation, over all photos.

    Attributes:
        features: All photos of the study.
        labels: Their labels.
        data: The targets.
    """

    features: FeatureSet
    labels: pd.DataFrame
    data: DataConfig

    def score(self, training: TrainingConfig, *, on_epoch: Callable[[int, float], None]) -> float:  # noqa: ARG002  # it has no epochs
        """The global weighted R2 of the photos, each predicted without its inner group."""
        # Nothing is kept, so nothing is told apart by a fingerprint.
        recipe = Recipe(self.data, training, fingerprint="")
        inner = fit_ridge(self.features, self.labels, recipe=recipe).inner
        targets = TargetSpec.from_config(self.data)
        return _r2(inner.y, targets.sums(inner.components), data=self.data)


def weighted_spread(y: NDArray[np.float64], *, data: DataConfig) -> float:
    """`sum_t w_t mean (y_t - ybar)^2` about one weighted mean: what an epoch's error is a share of.

    Args:
        y: Shape (photo, target).
        data: The targets' weights, taken to sum 1.

    Raises:
        UndefinedScoreError: The labels are all alike.
    """
    # The score of perfect predictions is 1, or has no value.
    _r2(y, y, data=data)
    weights = np.array(TargetSpec.from_config(data).weights)
    centre = (y * weights).sum(axis=1).mean()
    return float((((y - centre) ** 2).mean(axis=0) * weights).sum())


def _r2(y: NDArray[np.float64], predicted: NDArray[np.float64], *, data: DataConfig) -> float:
    return weighted_r2(y, predicted, targets=data.target_names, weights=data.target_weights)
