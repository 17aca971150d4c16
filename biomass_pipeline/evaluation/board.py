"""One model's out-of-fold predictions as arrays, photos along one axis: what scores are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.errors import PooledPredictionsError
from biomass_pipeline.evaluation.pooling import interval_columns
from biomass_pipeline.scoring import weighted_r2

_CELLS = ("y_true", "y_pred", "p_zero", "crps", "pit")

Rows = NDArray[np.bool_] | slice
ALL_ROWS = slice(None)


@dataclass(frozen=True)
class Board:
    """One model's predictions, and the photos they are of.

    Attributes:
        data: Targets, weights and group columns.
        levels: The coverages that the intervals promise, rising.
        headline: The one of them that the report speaks of.
        images: Index `image_id`; `fold`, `group`, `ood_percentile` and the group columns.
        true: Measured, shape (image, target), targets as configured.
        pred: Predicted, the same shape.
        p_zero: The probability of a zero, the same shape.
        crps: In the targets' units, the same shape.
        pit: Randomised, in 0..1, the same shape.
        lower: Shape (level, image, target); NaN where a level is refused.
        upper: The same.
    """

    data: DataConfig
    levels: tuple[float, ...]
    headline: float
    images: pd.DataFrame
    true: NDArray[np.float64]
    pred: NDArray[np.float64]
    p_zero: NDArray[np.float64]
    crps: NDArray[np.float64]
    pit: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        rows: pd.DataFrame,
        labels: pd.DataFrame,
        *,
        data: DataConfig,
        evaluation: EvaluationConfig,
    ) -> Self:
        """Bring one model's rows into the shape (image, target).

        Raises:
            PooledPredictionsError: A column is missing: the table is of an earlier layout.
        """
        bounds = interval_columns(evaluation.levels, headline=evaluation.interval_level)
        lows, highs = [pair[0] for pair in bounds], [pair[1] for pair in bounds]
        _check_columns(rows, [*_CELLS, *lows, *highs, "ood_percentile"])
        cells = rows.set_index(["image_id", "target"])[[*_CELLS, *lows, *highs]]
        wide = cells.unstack("target")  # noqa: PD010  # pivot_table would average a repeated row
        images = rows.drop_duplicates("image_id").set_index("image_id").loc[wide.index]
        columns = labels.set_index("image_id")[list(data.group_columns)]
        names = list(data.target_names)
        arrays = {name: wide[name][names].to_numpy(dtype=float) for name in cells.columns}
        true, pred, p_zero, crps, pit = (arrays[name] for name in _CELLS)
        return cls(
            data=data,
            levels=evaluation.levels,
            headline=evaluation.interval_level,
            images=images[["fold", "group", "ood_percentile"]].join(columns),
            true=true,
            pred=pred,
            p_zero=p_zero,
            crps=crps,
            pit=pit,
            lower=np.stack([arrays[name] for name in lows]),
            upper=np.stack([arrays[name] for name in highs]),
        )

    @property
    def groups(self) -> NDArray[np.object_]:
        """The photos' groups, shape (image,)."""
        return self.images["group"].to_numpy(dtype=object)

    @property
    def column_weights(self) -> list[float]:
        """The metric's weights in the order of the columns, shape (target,)."""
        return [target.weight for target in self.data.targets]

    def weighted_r2(self, rows: Rows = ALL_ROWS) -> float:
        """The global score of some of the photos.

        Raises:
            UndefinedScoreError: Their labels have no spread.
        """
        return weighted_r2(
            self.true[rows],
            self.pred[rows],
            targets=self.data.target_names,
            weights=self.data.target_weights,
        )


def _check_columns(rows: pd.DataFrame, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in rows.columns]
    if missing:
        raise PooledPredictionsError(
            [f"column(s) {', '.join(missing)} missing: other levels, or an earlier version"]
        )
