"""How often intervals held what was measured, and how wide they were, at each level."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.evaluation.board import ALL_ROWS, Board, Rows
from biomass_pipeline.evaluation.pooling import level_name
from biomass_pipeline.scoring import score_intervals

Line = dict[str, float | None]

_ROUNDING = 1e-9  # 0.9 / (1 - 0.9) is a little more than 9


def intervals_by_level(
    board: Board, *, column: int | None = None, rows: Rows = ALL_ROWS
) -> dict[str, Line]:
    """Coverage and mean width at each level, by the level's name in per cent.

    Coverage counts photos; `group_coverage` weighs groups alike, as calibration promises it.
    Cells whose interval was refused take no part; where all of them were, there is None.

    Args:
        board: A model's predictions.
        column: The target; all of them together, without a width, if None.
        rows: The photos.
    """
    return {
        level_name(level): _line(board, number, column=column, rows=rows)
        for number, level in enumerate(board.levels)
    }


def headline_interval(board: Board, *, column: int | None = None, rows: Rows = ALL_ROWS) -> Line:
    """Coverage and mean width at the level that the report speaks of."""
    number = board.levels.index(board.headline)
    return _line(board, number, column=column, rows=rows)


def refused_levels(boards: dict[str, Board]) -> list[dict[str, Any]]:
    """Levels without intervals: by level and model, in which folds, and why.

    Args:
        boards: By model.
    """
    return [
        {"level": level, "model": model, "folds": folds, "reason": _reason(level)}
        for model, board in boards.items()
        for number, level in enumerate(board.levels)
        if (folds := _folds_without(board, number))
    ]


def _line(board: Board, number: int, *, column: int | None, rows: Rows) -> Line:
    columns = slice(None) if column is None else column
    groups = np.broadcast_to(board.groups.astype(str)[:, None], board.true.shape)
    true, lower, upper, group = (
        cells[rows][:, columns]
        for cells in (board.true, board.lower[number], board.upper[number], groups)
    )
    found = score_intervals(true, lower, upper, groups=group)
    return {
        "coverage": found.coverage,
        "group_coverage": found.group_coverage,
        "width": None if column is None else found.width,
    }


def _folds_without(board: Board, number: int) -> list[int]:
    absent: NDArray[np.bool_] = np.isnan(board.lower[number] + board.upper[number]).any(axis=1)
    return [int(fold) for fold in sorted(board.images["fold"][absent].unique())]


def _reason(level: float) -> str:
    needed = int(np.ceil(level / (1 - level) - _ROUNDING))
    return (
        f"{level_name(level)} % of new groups can be promised only from {needed} or more groups to "
        f"calibrate on, and there were fewer"
    )
