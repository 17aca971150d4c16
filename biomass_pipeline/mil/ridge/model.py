"""A fitted ridge and its predictions."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import FeatureWidthError
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.novelty import Novelty
from biomass_pipeline.mil.predictive import PredictionSpec, Predictive, predictive_of
from biomass_pipeline.mil.ridge.labels import TRANSFORMS
from biomass_pipeline.mil.ridge.machines import Machine
from biomass_pipeline.mil.ridge.pooling import pool_bags
from biomass_pipeline.mil.ridge.scaling import BlockScale
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.store.bags import FeatureSet

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """The model of one transform of the labels.

    Attributes:
        transform: Its name.
        relevance: Power of a feature's correlation with the labels in its weight, as chosen.
        alpha: The penalty, as chosen; NaN for a Gaussian process.
        scale: How pooled features are scaled.
        machine: From scaled rows to components on the transformed scale.
    """

    transform: str
    relevance: float
    alpha: float
    scale: BlockScale
    machine: Machine = field(repr=False)

    def __call__(self, pooled: Floats) -> Floats:
        """Components in the labels' units, >= 0, shape (bag, component)."""
        return TRANSFORMS[self.transform].back(self.machine(self.scale(pooled)))


@dataclass(frozen=True)
class RidgeModel:
    """Models of pooled features, one a transform; their mean predicts.

    Attributes:
        poolings: What a photo's tiles are pooled by.
        members: One a transform.
        targets: What is predicted.
        fingerprint: What decided the model.
        novelty: How unlike the training photos a photo is.
        inner: Inner out-of-fold predictions of every training photo.
    """

    poolings: tuple[str, ...]
    members: tuple[Member, ...]
    targets: TargetSpec
    fingerprint: str
    novelty: Novelty = field(repr=False)
    inner: InnerTable = field(repr=False)

    @property
    def feature_dim(self) -> int:
        """The width of a tile's features."""
        return int(self.members[0].scale.centre.shape[1])

    def pool(self, features: FeatureSet) -> Floats:
        """Each photo's tiles as the model reads them, shape (photo, pooling, feature).

        Raises:
            FeatureWidthError: The features are of another extraction.
            EmptyBagError: A photo has no tile.
            StrangeFeaturesError: A feature is not finite.
        """
        if features.feature_dim != self.feature_dim:
            raise FeatureWidthError(found=features.feature_dim, expected=self.feature_dim)
        return pool_bags(features, self.poolings)

    def points(self, pooled: Floats) -> Floats:
        """The components of pooled photos, >= 0, in the targets' units, (photo, component)."""
        found = np.mean([member(pooled) for member in self.members], axis=0)
        return np.asarray(found, dtype=np.float64)

    def percentile(self, pooled: Floats) -> Floats:
        """How unlike the training photos each pooled photo is, 0..100, shape (photo,)."""
        return self.novelty.percentile(rows_of(pooled))


def predict_ridge(model: RidgeModel, features: FeatureSet, *, spec: PredictionSpec) -> Predictive:
    """Predict photos; components are never negative and sums follow by identity.

    Args:
        model: A fitted ridge.
        features: The photos.
        spec: What is asked of the uncertainty.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
        StrangeFeaturesError: A feature is not finite.
    """
    components = predict_points(model, features)
    return predictive_of(
        features.image_ids, components, inner=model.inner, targets=model.targets, spec=spec
    )


def predict_points(model: RidgeModel, features: FeatureSet) -> Floats:
    """The components alone, >= 0, in the targets' units, shape (photo, component).

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
        StrangeFeaturesError: A feature is not finite.
    """
    return model.points(model.pool(features))


def novelty_percentile(model: RidgeModel, features: FeatureSet) -> Floats:
    """How unlike the training photos each photo is, 0..100, shape (photo,).

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
        StrangeFeaturesError: A feature is not finite.
    """
    return model.percentile(model.pool(features))


def rows_of(pooled: Floats) -> Floats:
    """Poolings joined, shape (bag, pooling x feature)."""
    return pooled.reshape(len(pooled), -1)
