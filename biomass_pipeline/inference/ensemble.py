"""All folds' models together: photos that nobody weighed, predicted by every model at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

# Its names are imported on first use: who only lists the graph does not pay for torch.
from biomass_pipeline import mil
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.inference.combining import EnsemblePrediction, combine, no_photos
from biomass_pipeline.scoring import ErrorVariance, error_variance

if TYPE_CHECKING:
    from biomass_pipeline.mil.calibration import InnerTable
    from biomass_pipeline.store import FeatureSet

Floats = NDArray[np.float64]

# Bags are padded in 32 bits: so many photos at once keep that small, however many there are.
_PHOTOS_AT_ONCE = 2048


@dataclass(frozen=True)
class Ensemble:
    """The models of every fold, each of which saw all photos but the fold's own.

    Attributes:
        folds: One a fold, at least one; all of the same targets and features.
        model: `mil`, `ridge`, `stack`, or `auto`: what each fold chose on its inner groups.
    """

    folds: tuple[mil.FoldModels, ...]
    model: str = "auto"

    @property
    def targets(self) -> mil.TargetSpec:
        """What is predicted."""
        return self.folds[0].ridge.targets

    @property
    def feature_dim(self) -> int:
        """The width of a tile's features."""
        return self.folds[0].ridge.feature_dim

    def members(self) -> tuple[Member, ...]:
        """Each fold's models with the one that predicts."""
        return tuple(Member.of(models, self.model) for models in self.folds)


@dataclass(frozen=True)
class Member:
    """One fold's models, and which of them predicts.

    Attributes:
        models: The fold's.
        choice: What the fold chose, with the stack's weights.
        model: `mil`, `ridge` or `stack`.
    """

    models: mil.FoldModels
    choice: mil.Choice
    model: str

    @classmethod
    def of(cls, models: mil.FoldModels, model: str) -> Member:
        """Settle `auto`."""
        choice = models.choice()
        return cls(models, choice, choice.model if model == "auto" else model)

    @property
    def inner(self) -> InnerTable:
        """What the model predicted of training photos whose groups it did not learn from."""
        tables = {
            "mil": self.models.network.inner,
            "ridge": self.models.ridge.inner,
            "stack": self.choice.stack,
        }
        return tables[self.model]


def predict_ensemble(
    ensemble: Ensemble,
    features: FeatureSet,
    *,
    spec: mil.PredictionSpec,
    device: str = "cpu",
    beside: mil.Beside | None = None,
) -> EnsemblePrediction:
    """Predict photos by the model of every fold, and put what they say together as `combine` does.

    What is said of a photo does not depend on which others are predicted with it.

    Args:
        ensemble: The folds' models.
        features: The photos; none is no error.
        spec: Levels, method, and how many draws all folds give together, rounded up.
        device: As PyTorch names it.
        beside: Covariates, for networks that were trained with them.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
        MissingCovariateError: A covariate is missing that was never missing in training.
    """
    if not features.image_ids:
        return no_photos(ensemble.targets, spec)
    members = ensemble.members()
    share = replace(spec, n_draws=-(-spec.n_draws // len(members)))
    variance = shared_variance([member.inner for member in members], ensemble.targets)
    parts = []
    for some in _pieces(features):
        photos = _Photos.of(some, members, device=device, beside=beside)
        novelty = [photos.novelty(member.models.ridge) for member in members]
        parts.append(
            combine(
                [photos.predict(member, spec=share) for member in members],
                novelty=np.mean(novelty, axis=0),
                variance=variance,
            )
        )
    return EnsemblePrediction.concatenate(parts)


def shared_variance(inner: list[InnerTable], targets: mil.TargetSpec) -> tuple[ErrorVariance, ...]:
    """What errors of unseen groups share and do not share, one a target, the mean over folds.

    Args:
        inner: The inner predictions of each fold's model.
        targets: The targets and their identities.

    Returns:
        NaN where a fold knew one group only.
    """
    found = np.array([_variances(table, targets) for table in inner]).mean(axis=0)
    return tuple(ErrorVariance(float(between), float(within)) for between, within in found)


def _variances(table: InnerTable, targets: mil.TargetSpec) -> list[tuple[float, float]]:
    try:
        found = [error_variance(column, table.groups) for column in table.residuals(targets).T]
    except UndefinedScoreError:
        return [(np.nan, np.nan)] * len(targets.names)
    return [(one.between, one.within) for one in found]


@dataclass(frozen=True)
class _Photos:
    """Some photos, pooled once for all folds: pooling costs more than the ridges do.

    Attributes:
        features: Their tiles.
        pooled: By the names of poolings, shape (photo, pooling, feature).
        device: Where networks run.
        beside: Covariates.
    """

    features: FeatureSet
    pooled: Mapping[tuple[str, ...], Floats]
    device: str
    beside: mil.Beside | None

    @classmethod
    def of(
        cls,
        features: FeatureSet,
        members: tuple[Member, ...],
        *,
        device: str,
        beside: mil.Beside | None,
    ) -> _Photos:
        asked: dict[tuple[str, ...], Floats] = {}
        for member in members:
            ridge = member.models.ridge
            if ridge.poolings not in asked:
                asked[ridge.poolings] = ridge.pool(features)
        return cls(features, asked, device, beside)

    def predict(self, member: Member, *, spec: mil.PredictionSpec) -> mil.Predictive:
        """By the fold's own model."""
        if member.model == "mil":
            return self._by_network(member, spec=spec)
        if member.model == "ridge":
            return self._by_ridge(member, spec=spec)
        network, ridge = self._by_network(member, spec=spec), self._by_ridge(member, spec=spec)
        return mil.predict_stack(member.choice, network, ridge, spec=spec)

    def novelty(self, ridge: mil.RidgeModel) -> Floats:
        """The percentile of each photo, shape (photo,)."""
        return ridge.percentile(self.pooled[ridge.poolings])

    def _by_network(self, member: Member, *, spec: mil.PredictionSpec) -> mil.Predictive:
        network = member.models.network
        return mil.predict(
            network, self.features, spec=spec, device=self.device, beside=self.beside
        )

    def _by_ridge(self, member: Member, *, spec: mil.PredictionSpec) -> mil.Predictive:
        ridge = member.models.ridge
        return mil.predictive_of(
            self.features.image_ids,
            ridge.points(self.pooled[ridge.poolings]),
            inner=ridge.inner,
            targets=ridge.targets,
            spec=spec,
        )


def _pieces(features: FeatureSet) -> Iterator[FeatureSet]:
    for start in range(0, len(features.image_ids), _PHOTOS_AT_ONCE):
        yield features.part(start, start + _PHOTOS_AT_ONCE)
