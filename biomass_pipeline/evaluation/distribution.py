"""How good whole predictive distributions are: CRPS, calibration, and the chance of a zero."""

from dataclasses import asdict
from typing import Any

from biomass_pipeline.evaluation.board import ALL_ROWS, Board, Rows
from biomass_pipeline.scoring import brier_score, pit_histogram, presence_reliability

PIT_BINS = 10


def distribution_scores(board: Board, column: int) -> dict[str, Any]:
    """The scores of one target's distributions, ready for JSON.

    Args:
        board: A model's predictions.
        column: The target.

    Returns:
        `crps` in the target's unit; `pit_histogram`, the shares of `PIT_BINS` equal bins; and
        under `presence` the share of zeros measured (`zeros`), the `brier` score, and
        `reliability`, stated against observed probabilities of presence by bins.
    """
    limit = board.data.targets[column].detection_limit
    true = board.true[:, column]
    present = (true > 0) & (true >= limit)
    stated = 1 - board.p_zero[:, column]
    return {
        "crps": mean_crps(board, column),
        "pit_histogram": pit_histogram(board.pit[:, column], n_bins=PIT_BINS).tolist(),
        "presence": {
            "zeros": float(1 - present.mean()),
            "brier": brier_score(present, stated),
            "reliability": [asdict(found) for found in presence_reliability(present, stated)],
        },
    }


def mean_crps(board: Board, column: int, *, rows: Rows = ALL_ROWS) -> float:
    """The mean CRPS of one target, in its unit."""
    return float(board.crps[rows, column].mean())
