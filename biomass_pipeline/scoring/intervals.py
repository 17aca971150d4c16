"""Prediction intervals that hold on unseen groups, and how often they do."""

import numpy as np
from numpy.typing import ArrayLike

from biomass_pipeline.errors import UndefinedScoreError

_HALFWIDTH = "conformal half-width"
_COVERAGE = "interval coverage"
_ROUNDING = 1e-9  # sums of shares such as 9 x 0.1 miss their level by a rounding error


def group_conformal_halfwidth(residuals: ArrayLike, groups: ArrayLike, *, level: float) -> float:
    """The half-width of an interval that covers a new group's image with probability `level`.

    Split conformal prediction with groups as the exchangeable units: the distribution of absolute
    residuals is the mean of the groups' own empirical distributions, so each group weighs the same
    however many images it has, and the unseen group stands in it with mass 1 / (n_groups + 1) at
    infinity (Dunn, Wasserman and Ramdas 2018, arXiv 1809.07441). With so few groups that the level
    cannot be promised, `level > n_groups / (n_groups + 1)`, the half-width is the largest absolute
    residual: `attainable_level` says what it promises then.

    Args:
        residuals: Measured minus predicted out of fold, shape (image,).
        groups: Their groups' labels, shape (image,).
        level: Wanted coverage, 0 < level < 1.

    Raises:
        UndefinedScoreError: There is no residual.
    """
    error = np.abs(np.asarray(residuals, dtype=float))
    if error.size == 0:
        raise UndefinedScoreError(_HALFWIDTH, "there is no residual")
    _, index, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order = np.argsort(error, kind="stable")
    share = (1.0 / (len(sizes) + 1) / sizes[index])[order]
    reached = np.searchsorted(np.cumsum(share), level * (1 - _ROUNDING))
    return float(error[order][min(int(reached), len(error) - 1)])


def attainable_level(n_groups: int) -> float:
    """The highest coverage that `n_groups` calibration groups can promise."""
    return n_groups / (n_groups + 1)


def interval_coverage(y_true: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float:
    """The share of labels inside their interval, bounds included.

    Raises:
        UndefinedScoreError: There is no label.
    """
    true = np.asarray(y_true, dtype=float)
    if true.size == 0:
        raise UndefinedScoreError(_COVERAGE, "there is no label")
    return float(np.mean((np.asarray(lower) <= true) & (true <= np.asarray(upper))))
