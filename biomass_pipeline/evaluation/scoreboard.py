"""The scoreboard: scores of every model beside the floor, by part, and what may be said of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.evaluation.contests import paired_comparisons
from biomass_pipeline.evaluation.coverage import refused_levels
from biomass_pipeline.evaluation.deployment import out_of_domain, paddock_means
from biomass_pipeline.evaluation.summary import BOOTSTRAP_LEVEL, summarize

SCHEMA_VERSION = 2
FLOOR = "constant"

_ORDER = (FLOOR, "ridge", "mil", "stack", "auto")  # other models follow by name


@dataclass(frozen=True)
class Selection:
    """Which model predicts, and how it came to be.

    Attributes:
        model: As `training.model`: mil, ridge, stack or auto.
        choices: By fold, what auto took: `model`, and `scores`, each candidate's R2 on the inner
            groups of the fold's training photos; further entries are kept.
    """

    model: str = "auto"
    choices: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What the out-of-fold predictions are worth.

    Attributes:
        metrics: Ready for JSON: `schema_version, protocol, n_images, n_groups, interval_level,
            interval_levels, bootstrap_level, headline_model, choices, comparisons, refused_levels,
            paddocks, out_of_domain` and, by model under `models`, `weighted_r2,
            weighted_r2_interval, floor_r2, coverage, group_coverage, intervals, targets, folds,
            group_columns`. Coverage counts photos, group coverage weighs groups alike. A score
            without a value is None.
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
    evaluation: EvaluationConfig,
    selection: Selection | None = None,
    bootstrap_seed: int = 0,
) -> Evaluation:
    """Score pooled out-of-fold predictions.

    Args:
        oof: As `pool_predictions` gives them.
        labels: One row a labelled image: `image_id` and the group columns.
        data: Targets, weights, units, group columns and the quadrat's area.
        evaluation: The intervals' levels and the number of bootstrap draws.
        selection: Which model predicts; auto, without reasons, if not given.
        bootstrap_seed: Seed of the draws of groups behind intervals and comparisons.

    Raises:
        UndefinedScoreError: The labels of all images together have no spread.
        PooledPredictionsError: The table is of an earlier layout or of other levels.
    """
    names = sorted(oof["model"].unique(), key=_place)
    boards = {
        name: Board.of(oof[oof["model"] == name], labels, data=data, evaluation=evaluation)
        for name in names
    }
    selection = selection or Selection()
    headline = headline_model(names, wanted=selection.model)
    n_resamples = evaluation.n_resamples
    models = {
        name: summarize(
            board, chance=np.random.default_rng(bootstrap_seed), n_resamples=n_resamples
        )
        for name, board in boards.items()
    }
    floor = models[FLOOR]["weighted_r2"] if FLOOR in models else None
    return Evaluation(
        {
            **_circumstances(oof, data, evaluation),
            "headline_model": headline,
            "choices": {str(fold): dict(found) for fold, found in selection.choices.items()},
            "comparisons": paired_comparisons(boards, seed=bootstrap_seed, n_resamples=n_resamples),
            "refused_levels": refused_levels(boards),
            "paddocks": paddock_means(boards[headline]),
            "out_of_domain": out_of_domain(boards[headline]),
            "models": {name: {"floor_r2": floor, **found} for name, found in models.items()},
        }
    )


def headline_model(names: list[str], *, wanted: str) -> str:
    """The model that the report speaks of: the one that predicts, or the nearest there is.

    Args:
        names: The models in the table.
        wanted: As `training.model`.
    """
    order = (wanted, *reversed(_ORDER), *names)
    return next(name for name in order if name in names)


def _circumstances(
    oof: pd.DataFrame, data: DataConfig, evaluation: EvaluationConfig
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "protocol": {
            "name": "grouped",
            "group_columns": list(data.group_columns),
            "n_folds": int(oof["fold"].nunique()),
            "weights": data.target_weights,
            "quadrat_area_m2": data.quadrat_area_m2,
            "floor": FLOOR,
        },
        "n_images": int(oof["image_id"].nunique()),
        "n_groups": int(oof["group"].nunique()),
        "interval_level": evaluation.interval_level,
        "interval_levels": list(evaluation.levels),
        "bootstrap_level": BOOTSTRAP_LEVEL,
    }


def _place(model: str) -> tuple[int, str]:
    return (_ORDER.index(model) if model in _ORDER else len(_ORDER), model)
