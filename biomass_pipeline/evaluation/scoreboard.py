"""The scoreboard: global and per-target scores of every model, beside the floor, by part."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import (
    bootstrap_weighted_r2,
    interval_coverage,
    kg_per_ha,
    score_target,
    weighted_r2,
)

SCHEMA_VERSION = 1
FLOOR = "constant"

_ORDER = (FLOOR, "ridge", "mil")  # other models follow by name
_BOOTSTRAP_LEVEL = 0.95
_N_RESAMPLES = 500


@dataclass(frozen=True)
class Evaluation:
    """What the out-of-fold predictions are worth.

    Attributes:
        metrics: Ready for JSON: `schema_version, protocol, n_images, n_groups, interval_level,
            bootstrap_level` and, by model under `models`, `weighted_r2, weighted_r2_interval,
            floor_r2, coverage, targets, folds, group_columns`. A score without a value is None.
    """

    metrics: dict[str, Any]

    def score_table(self) -> pd.DataFrame:
        """One row a model, the floor first: `model`, `global R2` and each target's R2."""
        return score_table(self.metrics)

    def markdown(self) -> str:
        """The score table and one sentence about the protocol."""
        table = self.score_table()
        lines = [
            "| " + " | ".join(table.columns) + " |",
            "|---|" + "---:|" * (len(table.columns) - 1),
        ]
        for row in table.itertuples(index=False):
            cells = [str(row[0]), *("-" if pd.isna(cell) else f"{cell:.3f}" for cell in row[1:])]
            lines.append("| " + " | ".join(cells) + " |")
        columns = " and ".join(self.metrics["protocol"]["group_columns"]) or "image"
        return "\n".join(lines) + (
            f"\n\nR2 of pooled out-of-fold predictions for {self.metrics['n_images']} images in "
            f"{self.metrics['n_groups']} groups, grouped by {columns}. `{FLOOR}` is the floor: "
            f"the training folds' means.\n"
        )


def score_table(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """One row a model, the floor first: `model`, `global R2` and each target's R2.

    Args:
        metrics: As `Evaluation.metrics`, or as read back from JSON.
    """
    rows = [
        {
            "model": name,
            "global R2": found["weighted_r2"],
            **{target: line["r2"] for target, line in found["targets"].items()},
        }
        for name, found in sorted(metrics["models"].items(), key=lambda item: _place(item[0]))
    ]
    return pd.DataFrame(rows)


def evaluate(
    oof: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    data: DataConfig,
    level: float,
    bootstrap_seed: int = 0,
) -> Evaluation:
    """Score pooled out-of-fold predictions.

    Args:
        oof: As `pool_predictions` gives them.
        labels: One row a labelled image: `image_id` and the group columns.
        data: Targets, weights, units, group columns and the quadrat's area.
        level: The coverage that the intervals promise.
        bootstrap_seed: Seed of the draws of groups behind the global score's interval.

    Raises:
        UndefinedScoreError: The labels of all images together have no spread.
    """
    names = sorted(oof["model"].unique(), key=_place)
    boards = {name: _Board.of(oof[oof["model"] == name], labels, data=data) for name in names}
    floor = boards[FLOOR].weighted_r2() if FLOOR in boards else None
    models = {
        name: {"floor_r2": floor, **board.summary(np.random.default_rng(bootstrap_seed))}
        for name, board in boards.items()
    }
    groups, folds = oof["group"].nunique(), oof["fold"].nunique()
    return Evaluation(
        {
            "schema_version": SCHEMA_VERSION,
            "protocol": {
                "name": "grouped",
                "group_columns": list(data.group_columns),
                "n_folds": int(folds),
                "weights": data.target_weights,
                "quadrat_area_m2": data.quadrat_area_m2,
                "floor": FLOOR,
            },
            "n_images": int(oof["image_id"].nunique()),
            "n_groups": int(groups),
            "interval_level": level,
            "bootstrap_level": _BOOTSTRAP_LEVEL,
            "models": models,
        }
    )


@dataclass(frozen=True)
class _Board:
    """One model's predictions as arrays of shape (image, target), and the images they are of."""

    data: DataConfig
    images: pd.DataFrame
    true: NDArray[np.float64]
    pred: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @classmethod
    def of(cls, rows: pd.DataFrame, labels: pd.DataFrame, *, data: DataConfig) -> "_Board":
        cells = rows.set_index(["image_id", "target"])[["y_true", "y_pred", "y_lower", "y_upper"]]
        wide = cells.unstack("target")  # noqa: PD010  # pivot_table would average a repeated row
        images = rows.drop_duplicates("image_id").set_index("image_id").loc[wide.index]
        columns = labels.set_index("image_id")[list(data.group_columns)]
        true, pred, lower, upper = (
            wide[name][list(data.target_names)].to_numpy(dtype=float)
            for name in ("y_true", "y_pred", "y_lower", "y_upper")
        )
        return cls(data, images[["fold", "group"]].join(columns), true, pred, lower, upper)

    def weighted_r2(self, rows: NDArray[np.bool_] | slice = slice(None)) -> float:
        """The global score of some of the images."""
        return weighted_r2(
            self.true[rows],
            self.pred[rows],
            targets=self.data.target_names,
            weights=self.data.target_weights,
        )

    def summary(self, chance: np.random.Generator) -> dict[str, Any]:
        """Everything about this model."""
        return {
            "weighted_r2": self.weighted_r2(),
            "weighted_r2_interval": self._bootstrap_interval(chance),
            "coverage": self._coverage(slice(None)),
            "targets": {
                target.name: self._target(column) for column, target in enumerate(self.data.targets)
            },
            "folds": self._parts("fold"),
            "group_columns": {column: self._parts(column) for column in self.data.group_columns},
        }

    def _bootstrap_interval(self, chance: np.random.Generator) -> list[float] | None:
        draws = bootstrap_weighted_r2(
            self.true,
            self.pred,
            self.images["group"].to_numpy(),
            column_weights=[target.weight for target in self.data.targets],
            chance=chance,
            n_resamples=_N_RESAMPLES,
        )
        if len(set(self.images["group"])) == 1 or len(draws) == 0:
            return None
        tail = (1 - _BOOTSTRAP_LEVEL) / 2
        return [float(bound) for bound in np.quantile(draws, [tail, 1 - tail])]

    def _target(self, column: int) -> dict[str, Any]:
        target = self.data.targets[column]
        score = score_target(self.true[:, column], self.pred[:, column])
        known = not np.isnan(self.lower[:, column] + self.upper[:, column]).any()
        width = float((self.upper[:, column] - self.lower[:, column]).mean()) if known else None
        line = {
            **asdict(score),
            "unit": target.unit,
            "coverage": self._coverage(column),
            "interval_width": width,
        }
        if target.unit == "g":
            area_m2 = self.data.quadrat_area_m2
            line["rmse_kg_ha"] = kg_per_ha(score.rmse, area_m2)
            line["mae_kg_ha"] = kg_per_ha(score.mae, area_m2)
        return line

    def _coverage(self, column: int | slice) -> float | None:
        lower, upper = self.lower[:, column], self.upper[:, column]
        if np.isnan(lower + upper).any():
            return None
        return interval_coverage(self.true[:, column], lower, upper)

    def _parts(self, column: str) -> dict[str, Any]:
        values = self.images[column]
        return {
            str(value): self._part((values == value).to_numpy())
            for value in sorted(values.unique())
        }

    def _part(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        """A part's scores; its R2 only where its labels have spread."""
        try:
            r2 = self.weighted_r2(rows)
        except UndefinedScoreError:
            r2 = None
        return {
            "n": int(rows.sum()),
            "n_groups": int(self.images["group"][rows].nunique()),
            "weighted_r2": r2,
            "targets": {
                name: {"rmse": score.rmse, "bias": score.bias}
                for name, score in (
                    (name, score_target(self.true[rows, column], self.pred[rows, column]))
                    for column, name in enumerate(self.data.target_names)
                )
            },
        }


def _place(model: str) -> tuple[int, str]:
    return (_ORDER.index(model) if model in _ORDER else len(_ORDER), model)
