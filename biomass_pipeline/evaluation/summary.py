"""One model's scores as JSON: global, by target, by fold and by each value of the group columns."""

from dataclasses import asdict
from typing import Any

import numpy as np

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.evaluation.board import Board, Rows
from biomass_pipeline.evaluation.coverage import headline_interval, intervals_by_level
from biomass_pipeline.evaluation.distribution import distribution_scores, mean_crps
from biomass_pipeline.scoring import bootstrap_weighted_r2, kg_per_ha, score_target

BOOTSTRAP_LEVEL = 0.95
_GRAMS = "g"


def summarize(board: Board, *, chance: np.random.Generator, n_resamples: int) -> dict[str, Any]:
    """Everything about one model, ready for JSON; a score without a value is None.

    Args:
        board: The model's predictions.
        chance: The source of the bootstrap's draws of groups.
        n_resamples: How many draws.

    Raises:
        UndefinedScoreError: The labels of all photos together have no spread.
    """
    whole = headline_interval(board)
    return {
        "weighted_r2": board.weighted_r2(),
        "weighted_r2_interval": _bootstrap_interval(board, chance, n_resamples=n_resamples),
        "coverage": whole["coverage"],
        "group_coverage": whole["group_coverage"],
        "intervals": {
            name: {"coverage": line["coverage"], "group_coverage": line["group_coverage"]}
            for name, line in intervals_by_level(board).items()
        },
        "targets": {
            target.name: _target(board, column) for column, target in enumerate(board.data.targets)
        },
        "folds": _parts(board, "fold"),
        "group_columns": {column: _parts(board, column) for column in board.data.group_columns},
    }


def _bootstrap_interval(
    board: Board, chance: np.random.Generator, *, n_resamples: int
) -> list[float] | None:
    draws = bootstrap_weighted_r2(
        board.true,
        board.pred,
        board.groups,
        column_weights=board.column_weights,
        chance=chance,
        n_resamples=n_resamples,
    )
    if len(set(board.groups)) == 1 or len(draws) == 0:
        return None
    tail = (1 - BOOTSTRAP_LEVEL) / 2
    return [float(bound) for bound in np.quantile(draws, [tail, 1 - tail])]


def _target(board: Board, column: int) -> dict[str, Any]:
    target = board.data.targets[column]
    score = score_target(board.true[:, column], board.pred[:, column])
    interval = headline_interval(board, column=column)
    line = {
        **asdict(score),
        "unit": target.unit,
        "coverage": interval["coverage"],
        "group_coverage": interval["group_coverage"],
        "interval_width": interval["width"],
        "intervals": intervals_by_level(board, column=column),
        **distribution_scores(board, column),
    }
    if target.unit == _GRAMS:
        area_m2 = board.data.quadrat_area_m2
        line["rmse_kg_ha"] = kg_per_ha(score.rmse, area_m2)
        line["mae_kg_ha"] = kg_per_ha(score.mae, area_m2)
    return line


def _parts(board: Board, column: str) -> dict[str, Any]:
    values = board.images[column]
    return {
        str(value): _part(board, (values == value).to_numpy()) for value in sorted(values.unique())
    }


def _part(board: Board, rows: Rows) -> dict[str, Any]:
    """A part's scores; its R2 only where its labels have spread."""
    try:
        r2 = board.weighted_r2(rows)
    except UndefinedScoreError:
        r2 = None
    interval = headline_interval(board, rows=rows)
    return {
        "n": len(board.true[rows]),
        "n_groups": int(board.images["group"][rows].nunique()),
        "weighted_r2": r2,
        "coverage": interval["coverage"],
        "group_coverage": interval["group_coverage"],
        "targets": {
            name: _part_of_target(board, column, rows)
            for column, name in enumerate(board.data.target_names)
        },
    }


def _part_of_target(board: Board, column: int, rows: Rows) -> dict[str, Any]:
    score = score_target(board.true[rows, column], board.pred[rows, column])
    interval = headline_interval(board, column=column, rows=rows)
    return {
        "rmse": score.rmse,
        "bias": score.bias,
        "crps": mean_crps(board, column, rows=rows),
        "coverage": interval["coverage"],
        "group_coverage": interval["group_coverage"],
        "interval_width": interval["width"],
        "intervals": intervals_by_level(board, column=column, rows=rows),
    }
