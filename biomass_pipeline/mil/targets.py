"""What a model predicts and how its labels line up with the bags. Arrays only, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.errors import UnknownCovariateError, UnlabelledBagError
from biomass_pipeline.mil.metadata import SEASON, covariates_of


@dataclass(frozen=True)
class Recipe:
    """All that decides how a fold is learnt, with the fingerprint that stands for it.

    Attributes:
        data: Targets, identities and detection limits.
        training: How the network and the ridge baseline are trained.
        fingerprint: What `training_fingerprint` gave for these settings and images.
    """

    data: DataConfig
    training: TrainingConfig
    fingerprint: str


@dataclass(frozen=True)
class TargetSpec:
    """The targets and the identities that tie them to the predicted components.

    Attributes:
        names: All targets, in configured order.
        weights: The metric's weights, by position of `names`, normalised to sum 1.
        components: The targets that are not a sum of others.
        matrix: Shape (target, component): targets = matrix @ components.
        detection_limits: One a target, in its unit; a smaller label is a zero.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    components: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    detection_limits: tuple[float, ...]

    @classmethod
    def from_config(cls, data: DataConfig) -> Self:
        """Read the targets off the configuration."""
        total = sum(data.target_weights.values())
        return cls(
            names=data.target_names,
            weights=tuple(target.weight / total for target in data.targets),
            components=data.components,
            matrix=tuple(tuple(row) for row in data.component_matrix()),
            detection_limits=tuple(target.detection_limit for target in data.targets),
        )

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Undo `to_plain`."""
        return cls(
            names=tuple(plain["names"]),
            weights=tuple(plain["weights"]),
            components=tuple(plain["components"]),
            matrix=tuple(tuple(row) for row in plain["matrix"]),
            detection_limits=tuple(plain["detection_limits"]),
        )

    def to_plain(self) -> dict[str, Any]:
        """Lists, strings and numbers only: what a checkpoint may hold."""
        return {
            "names": list(self.names),
            "weights": list(self.weights),
            "components": list(self.components),
            "matrix": [list(row) for row in self.matrix],
            "detection_limits": list(self.detection_limits),
        }

    def independent(self) -> "TargetSpec":
        """The same targets, each its own component: what a head without identities predicts."""
        n_targets = len(self.names)
        identity = tuple(
            tuple(float(row == column) for column in range(n_targets)) for row in range(n_targets)
        )
        return replace(self, components=self.names, matrix=identity)

    @property
    def component_columns(self) -> tuple[int, ...]:
        """Where each component stands among the targets."""
        return tuple(self.names.index(name) for name in self.components)

    def sums(self, components: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add components up by identity, shape (bag, component) to (bag, target)."""
        return components @ np.array(self.matrix, dtype=np.float64).T

    def present(self, y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which components were found at all, shape (bag, component).

        The comparison is made in the target's own unit: scaling first would move the limit.
        """
        columns = list(self.component_columns)
        components = y[:, columns]
        found = (components > 0) & (components >= np.array(self.detection_limits)[columns])
        return np.asarray(found, dtype=np.bool_)


@dataclass(frozen=True)
class LabelledBags:
    """Labels in the order of the bags.

    Attributes:
        image_ids: One a bag.
        groups: One a bag; photos that must stay together.
        y: Shape (bag, target), in the targets' units.
        covariates: Shape (bag, covariate); NaN where missing, width 0 where none are configured.
    """

    image_ids: tuple[str, ...]
    groups: NDArray[np.str_]
    y: NDArray[np.float64]
    covariates: NDArray[np.float64]

    def select(self, index: NDArray[np.int64]) -> Self:
        """The given bags, in the given order."""
        return type(self)(
            image_ids=tuple(self.image_ids[i] for i in index),
            groups=self.groups[index],
            y=self.y[index],
            covariates=self.covariates[index],
        )


def align_labels(
    labels: pd.DataFrame,
    image_ids: Sequence[str],
    *,
    names: Sequence[str],
    covariates: Sequence[str] = (),
    date_column: str | None = None,
) -> LabelledBags:
    """Bring a label table into the order of the bags.

    Args:
        labels: Columns `image_id`, `group`, the targets and the covariates; other rows and columns
            are ignored.
        image_ids: The bags.
        names: The targets.
        covariates: What is read beside the photos, as `covariates_of` reads it.
        date_column: The column of dates that `season` is made of.

    Raises:
        UnlabelledBagError: A bag has no finite label of every target.
        UnknownCovariateError: A covariate is no column, or not a number.
    """
    for name in covariates:
        column = date_column if name == SEASON else name
        if column not in labels:
            raise UnknownCovariateError(name, column=column)
    rows = labels.set_index("image_id").reindex(list(image_ids))
    y = rows[list(names)].to_numpy(dtype=np.float64)
    missing = ~np.isfinite(y).all(axis=1) | rows["group"].isna().to_numpy()
    if missing.any():
        raise UnlabelledBagError([image_ids[i] for i in np.flatnonzero(missing).tolist()])
    groups = rows["group"].astype(str).to_numpy(dtype=np.str_)
    read = covariates_of(labels, image_ids, names=covariates, date_column=date_column)
    return LabelledBags(image_ids=tuple(image_ids), groups=groups, y=y, covariates=read)
