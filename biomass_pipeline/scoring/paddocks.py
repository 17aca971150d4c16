"""The mean of a paddock's photos, and how far off it may be: photos of a session err together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from biomass_pipeline.errors import UndefinedScoreError

_COMPONENTS = "variance of errors between and within groups"
_MEAN = "paddock mean"


@dataclass(frozen=True)
class ErrorVariance:
    """How prediction errors vary, in the target's unit squared.

    Attributes:
        between: Variance of what all photos of a group share, sb^2.
        within: Variance of each photo's own error, sw^2.
    """

    between: float
    within: float


@dataclass(frozen=True)
class PaddockMean:
    """The mean of a paddock's photos.

    Attributes:
        n: Photos.
        mean: Of the predictions.
        standard_error: `sqrt(sb^2 + sw^2 / n)` when all are of one session.
    """

    n: int
    mean: float
    standard_error: float


def error_variance(residuals: ArrayLike, groups: ArrayLike) -> ErrorVariance:
    """Variance components of one-way random effects with groups of different sizes.

    The moment estimator of the unbalanced analysis of variance (Searle, Casella and McCulloch 1992,
    Variance Components, chapter 3): `sw^2 = MSW`, `sb^2 = (MSB - MSW) / n0` with
    `n0 = (N - sum n_k^2 / N) / (K - 1)`, at least 0. With one photo a group the two cannot be told
    apart and all counts as shared, which promises least.

    Args:
        residuals: Measured minus predicted out of fold, shape (image,).
        groups: Their groups' labels, shape (image,).

    Raises:
        UndefinedScoreError: There are fewer than two groups.
    """
    error = np.asarray(residuals, dtype=float)
    _, index, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n_groups, n = len(sizes), len(error)
    if n_groups < 2:  # noqa: PLR2004  # what groups share shows between two
        raise UndefinedScoreError(_COMPONENTS, f"there is {n_groups or 'no'} group")
    means = np.bincount(index, weights=error) / sizes
    between_ms = float((sizes * (means - error.mean()) ** 2).sum()) / (n_groups - 1)
    if n == n_groups:
        return ErrorVariance(between=between_ms, within=0.0)
    within_ms = float(((error - means[index]) ** 2).sum()) / (n - n_groups)
    size = (n - float((sizes**2).sum()) / n) / (n_groups - 1)
    return ErrorVariance(between=max((between_ms - within_ms) / size, 0.0), within=within_ms)


def paddock_mean(
    y_pred: ArrayLike, *, variance: ErrorVariance, sessions: Sequence[str] | None = None
) -> PaddockMean:
    """The mean of a paddock's photos with a standard error that knows what sessions share.

    More photos of the same session average out their own errors and never what they share:
    `SE^2 = sb^2 sum_s (n_s / n)^2 + sw^2 / n` over sessions s, which is `sb^2 + sw^2 / n` for one.

    Args:
        y_pred: Predicted masses of the paddock's photos, shape (image,).
        variance: As `error_variance` finds it on photos not learnt from.
        sessions: Each photo's session; all of one if None.

    Raises:
        UndefinedScoreError: There is no photo.
    """
    predicted = np.asarray(y_pred, dtype=float)
    n = len(predicted)
    if n == 0:
        raise UndefinedScoreError(_MEAN, "there is no photo")
    sizes = [n] if sessions is None else np.unique(list(sessions), return_counts=True)[1]
    shared = float(np.sum((np.asarray(sizes) / n) ** 2))
    square = variance.between * shared + variance.within / n
    return PaddockMean(n=n, mean=float(predicted.mean()), standard_error=float(np.sqrt(square)))
