"""What users of predictions meet: means of paddocks, and photos unlike the training photos."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.scoring import ErrorVariance, error_variance, paddock_mean

# A photo less like the training photos than this percentage of left-out ones counts as outside.
OUTSIDE_PERCENTILE: Final = 95.0


def paddock_means(board: Board) -> dict[str, Any]:
    """Predicted and measured means of each group, as if it were a paddock.

    Args:
        board: The predictions of the model that is used.

    Returns:
        `target`, the one that counts most; `between_sd` and `within_sd`, what photos of a group
        err by together and on their own; `covered`, the share of groups whose measured mean is
        within two standard errors of the predicted; and `groups`, by group: `n, predicted,
        measured, standard_error`. Standard errors are None where there is a single group.
    """
    name = board.data.heaviest_target
    column = board.data.target_names.index(name)
    true, pred = board.true[:, column], board.pred[:, column]
    variance = _variance(true - pred, board.groups)
    groups = {
        str(group): _paddock(true[rows], pred[rows], variance)
        for group in sorted(set(board.groups))
        for rows in (board.groups == group,)
    }
    return {
        "target": name,
        "between_sd": None if variance is None else float(np.sqrt(variance.between)),
        "within_sd": None if variance is None else float(np.sqrt(variance.within)),
        "covered": None if variance is None else _covered(list(groups.values())),
        "groups": groups,
    }


def out_of_domain(board: Board) -> dict[str, Any] | None:
    """Whether photos unlike the training photos are predicted worse.

    Args:
        board: The predictions of the model that is used.

    Returns:
        `percentile`, the limit; `n_known`, photos whose likeness is known; `n` and `share`, those
        above the limit; `target` and its RMSE above (`rmse`) and below (`rmse_within`), None where
        there is no photo. None where no photo's likeness is known.
    """
    percentile = board.images["ood_percentile"].to_numpy(dtype=float)
    known = ~np.isnan(percentile)
    if not known.any():
        return None
    name = board.data.heaviest_target
    column = board.data.target_names.index(name)
    error = board.pred[:, column] - board.true[:, column]
    outside = known & (percentile > OUTSIDE_PERCENTILE)
    return {
        "percentile": OUTSIDE_PERCENTILE,
        "n_known": int(known.sum()),
        "n": int(outside.sum()),
        "share": float(outside.sum() / known.sum()),
        "target": name,
        "rmse": _rmse(error[outside]),
        "rmse_within": _rmse(error[known & ~outside]),
    }


def _variance(residuals: NDArray[np.float64], groups: NDArray[np.object_]) -> ErrorVariance | None:
    try:
        return error_variance(residuals, groups.astype(str))
    except UndefinedScoreError:
        return None


def _paddock(
    true: NDArray[np.float64], pred: NDArray[np.float64], variance: ErrorVariance | None
) -> dict[str, Any]:
    error = None if variance is None else paddock_mean(pred, variance=variance).standard_error
    return {
        "n": len(pred),
        "predicted": float(pred.mean()),
        "measured": float(true.mean()),
        "standard_error": error,
    }


def _covered(groups: list[dict[str, Any]]) -> float:
    """Within two standard errors, which would be 95 % of normal errors."""
    return float(
        np.mean([abs(g["measured"] - g["predicted"]) <= 2 * g["standard_error"] for g in groups])
    )


def _rmse(error: NDArray[np.float64]) -> float | None:
    return float(np.sqrt((error**2).mean())) if len(error) else None
