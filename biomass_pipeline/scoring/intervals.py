"""Prediction intervals that hold on unseen groups, and how often they do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring.grouping import group_weights

Floats = NDArray[np.float64]

CONFORMAL_METHODS = ("pooled", "one_per_group")

_HALFWIDTH = "conformal half-width"
_ROUNDING = 1e-9  # sums of shares such as 9 x 0.1 miss their level by a rounding error
_N_REPEATS = 200  # the median of the half-widths moves by about 1 % between two such sets of draws


@dataclass(frozen=True)
class IntervalScore:
    """What intervals did on photos that they were not made from.

    Attributes:
        n: Labels whose interval was given.
        n_refused: Labels whose interval was refused, NaN: too few groups for the level.
        coverage: The share of the n labels inside; None if n is 0.
        group_coverage: The same with groups weighed alike, however many labels they have: what
            calibration by group promises; None if n is 0, or without groups.
        width: Mean of upper minus lower over the n; None if n is 0.
    """

    n: int
    n_refused: int
    coverage: float | None
    group_coverage: float | None
    width: float | None


def attainable_level(n_groups: int) -> float:
    """The highest coverage that `n_groups` calibration groups can promise."""
    return n_groups / (n_groups + 1)


def group_conformal_halfwidth(residuals: ArrayLike, groups: ArrayLike, *, level: float) -> float:
    """The half-width of an interval that covers a new group's photo with probability `level`.

    Split conformal prediction with groups as the exchangeable units: the distribution of absolute
    residuals is the mean of the groups' own empirical distributions, so each group weighs the same
    however many photos it has, and the unseen group stands in it with mass 1 / (n_groups + 1) at
    infinity (CDF pooling of Dunn, Wasserman and Ramdas 2018, arXiv 1809.07441, with the correction
    of Lee, Barber and Willett 2023, arXiv 2306.06342).

    Args:
        residuals: Measured minus predicted out of fold, shape (image,).
        groups: Their groups' labels, shape (image,).
        level: Wanted coverage, 0 < level < 1.

    Returns:
        NaN where the groups cannot promise the level: `level > attainable_level(n_groups)`.

    Raises:
        UndefinedScoreError: There is no residual.
    """
    error, index, sizes = _errors(residuals, groups)
    order = np.argsort(error, kind="stable")
    share = (1.0 / (len(sizes) + 1) / sizes[index])[order]
    reached = int(np.searchsorted(np.cumsum(share), level * (1 - _ROUNDING)))
    return float(error[order][reached]) if reached < len(error) else float("nan")


def one_per_group_halfwidth(
    residuals: ArrayLike,
    groups: ArrayLike,
    *,
    level: float,
    chance: np.random.Generator,
    n_repeats: int = _N_REPEATS,
) -> float:
    """As `group_conformal_halfwidth`, from one residual drawn of each group, repeatedly.

    One residual a group makes the calibration set exchangeable with a new group's photo, so each
    draw covers as promised whatever goes on inside groups; the median over draws takes the luck
    out (repeated subsampling, Dunn, Wasserman and Ramdas 2018, arXiv 1809.07441). What is proven
    for the median is 1 - 2 (1 - level), in practice the level itself is reached.

    Args:
        residuals: Measured minus predicted out of fold, shape (image,).
        groups: Their groups' labels, shape (image,).
        level: Wanted coverage, 0 < level < 1.
        chance: The source of the draws.
        n_repeats: How many draws.

    Returns:
        NaN where the groups cannot promise the level: `level > attainable_level(n_groups)`.

    Raises:
        UndefinedScoreError: There is no residual.
    """
    error, index, sizes = _errors(residuals, groups)
    rank = int(np.ceil(level * (1 - _ROUNDING) * (len(sizes) + 1)))
    if rank > len(sizes):
        return float("nan")
    by_group = error[np.argsort(index, kind="stable")]
    first = np.cumsum(sizes) - sizes
    place = first + np.floor(chance.random((n_repeats, len(sizes))) * sizes).astype(np.int64)
    drawn = np.partition(by_group[place], rank - 1, axis=1)[:, rank - 1]
    return float(np.median(drawn))


def conformal_halfwidths(
    residuals: ArrayLike,
    groups: ArrayLike,
    *,
    levels: Sequence[float],
    method: str,
    chance: np.random.Generator,
) -> Floats:
    """Half-widths of several levels and targets at once, each target from its own residuals.

    Args:
        residuals: Measured minus predicted out of fold, shape (image, target).
        groups: Their groups' labels, shape (image,).
        levels: Wanted coverages.
        method: One of `CONFORMAL_METHODS`.
        chance: The source of draws of `one_per_group`.

    Returns:
        Shape (level, target); NaN where the groups cannot promise the level.

    Raises:
        UndefinedScoreError: There is no residual.
    """

    def halfwidth(column: Floats, level: float) -> float:
        if method == "one_per_group":
            return one_per_group_halfwidth(column, groups, level=level, chance=chance)
        return group_conformal_halfwidth(column, groups, level=level)

    columns = np.asarray(residuals, dtype=float).T
    return np.array([[halfwidth(column, level) for column in columns] for level in levels])


def score_intervals(
    y_true: ArrayLike, lower: ArrayLike, upper: ArrayLike, *, groups: ArrayLike | None = None
) -> IntervalScore:
    """Coverage and width of intervals; refused ones (NaN) are counted, not scored.

    Args:
        y_true: Measured, any shape.
        lower: Lower bounds, same shape; a label on a bound is inside.
        upper: Upper bounds, same shape.
        groups: Each label's group, same shape.
    """
    true, low, high = (np.asarray(values, dtype=float) for values in (y_true, lower, upper))
    given = ~np.isnan(low + high)
    n, width = int(given.sum()), (high - low)[given]
    inside = ((low <= true) & (true <= high))[given]
    weight = None if groups is None or not n else group_weights(np.asarray(groups)[given])
    return IntervalScore(
        n=n,
        n_refused=int(given.size) - n,
        coverage=float(inside.mean()) if n else None,
        group_coverage=None if weight is None else float(weight @ inside),
        width=float(width.mean()) if n else None,
    )


def _errors(
    residuals: ArrayLike, groups: ArrayLike
) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Absolute residuals, the number of each one's group, and the groups' sizes."""
    error = np.abs(np.asarray(residuals, dtype=float))
    if error.size == 0:
        raise UndefinedScoreError(_HALFWIDTH, "there is no residual")
    _, index, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return error, index, sizes
