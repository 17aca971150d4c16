"""Predictions of held-out photos by several models, as arrays, and what they score together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import weighted_r2

Floats = NDArray[np.float64]

_ROUNDING = 1e-12  # a sum of squares this small beside the labels' is rounding, not spread


@dataclass(frozen=True)
class Trial:
    """One protocol's predictions, or of its repeats one below the other.

    Attributes:
        data: Targets and weights.
        image_ids: Shape (row,).
        groups: Shape (row,).
        true: Shape (row, target), targets as configured.
        predicted: By model, shape (row, target).
        n_train_groups: The mean number of groups that photos were predicted from; 0 if unknown.
    """

    data: DataConfig
    image_ids: NDArray[np.object_]
    groups: NDArray[np.object_]
    true: Floats
    predicted: dict[str, Floats]
    n_train_groups: float

    @classmethod
    def of(cls, table: pd.DataFrame, *, data: DataConfig) -> Self:
        """Bring tidy predictions into arrays; every model predicts the same photos.

        Args:
            table: Columns `image_id, group, target, y_true, y_pred, model`.
            data: Targets and weights.
        """
        names = list(data.target_names)
        if not len(table):
            nobody = np.empty(0, dtype=object)
            return cls(data, nobody, nobody, np.empty((0, len(names))), {}, 0.0)
        cells = {str(model): _wide(rows) for model, rows in table.groupby("model")}
        first = next(iter(cells.values()))
        group_of = table.drop_duplicates("image_id").set_index("image_id")["group"]
        known = "n_train_groups" in table.columns
        return cls(
            data=data,
            image_ids=first.index.to_numpy(dtype=object),
            groups=group_of.loc[first.index].to_numpy(dtype=object),
            true=first["y_true"][names].to_numpy(dtype=float),
            predicted={
                model: wide.loc[first.index, "y_pred"][names].to_numpy(dtype=float)
                for model, wide in cells.items()
            },
            n_train_groups=float(table["n_train_groups"].mean()) if known else 0.0,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The repeats one below the other; models that all of them have."""
        models = set.intersection(*(set(part.predicted) for part in parts))
        return cls(
            data=parts[0].data,
            image_ids=np.concatenate([part.image_ids for part in parts]),
            groups=np.concatenate([part.groups for part in parts]),
            true=np.concatenate([part.true for part in parts]),
            predicted={
                model: np.concatenate([part.predicted[model] for part in parts])
                for model in sorted(models)
            },
            n_train_groups=float(np.mean([part.n_train_groups for part in parts])),
        )

    @property
    def column_weights(self) -> list[float]:
        """The metric's weights in the order of the columns, shape (target,)."""
        return [target.weight for target in self.data.targets]

    def scores(self) -> dict[str, float]:
        """The global weighted R2 by model; none if the labels have no spread."""
        try:
            return {model: self._score(predicted) for model, predicted in self.predicted.items()}
        except UndefinedScoreError:
            return {}

    def identity_score(self) -> float | None:
        """The global weighted R2 of the groups' own mean labels, in-sample.

        A model that recognises the session and nothing else scores this at most, and only where it
        has seen the session: in random folds. None if the labels have no spread.
        """
        try:
            return self._score(self.true - self._deviations(self.true))
        except UndefinedScoreError:
            return None

    def within_score(self, model: str) -> float | None:
        """The share of the labels' deviations from their group's mean that a model predicts.

        `1 - sum w (dy - dyhat)^2 / sum w dy^2`, all deviations from the group's own mean, so that
        knowing the session brings nothing: 0 at best. None if no group has spread.
        """
        if model not in self.predicted:
            return None
        true, predicted = self._deviations(self.true), self._deviations(self.predicted[model])
        weight = np.broadcast_to(self.column_weights, true.shape)
        spread = float((weight * true**2).sum())
        if spread <= _ROUNDING * float((weight * self.true**2).sum()):
            return None
        return 1.0 - float((weight * (true - predicted) ** 2).sum()) / spread

    def _score(self, predicted: Floats) -> float:
        names, weights = self.data.target_names, self.data.target_weights
        return weighted_r2(self.true, predicted, targets=names, weights=weights)

    def _deviations(self, values: Floats) -> Floats:
        return deviations(values, self.groups)


def deviations(values: Floats, groups: NDArray[np.object_]) -> Floats:
    """What is left of values after their group's mean, shape (row, column) as given.

    Args:
        values: Shape (row, column).
        groups: Shape (row,).
    """
    _, index, sizes = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, index, values)
    return np.asarray(values - (sums / sizes[:, None])[index], dtype=np.float64)


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an image, a column a target."""
    cells = rows.set_index(["image_id", "target"])[["y_true", "y_pred"]]
    wide = cells.unstack("target")  # noqa: PD010  # pivot_table would average a repeated row
    return pd.DataFrame(wide)
