"""Predictions of targets made to add up: non-negative components nearest to all of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Of the largest weight: a target nobody weighs still decides what no other target does.
_LEAST_WEIGHT = 1e-9
# A residual covariance of coherent predictions is singular; this keeps its inverse finite.
_LEAST_SHRINKAGE = 1e-4
_LEAST_SD = 1e-6


def reconcile(predicted: ArrayLike, matrix: ArrayLike, *, weights: ArrayLike) -> Floats:
    """The components whose sums come nearest to predictions that need not add up.

    For each photo `b = argmin_{b >= 0} ||L^(1/2) (S b - x)||^2` with x the predicted targets, S the
    identities and L the weights; `S b` are the reconciled targets (Wickramasuriya, Athanasopoulos
    and Hyndman 2019, MinT; Wickramasuriya, Turlach and Hyndman 2020 for b >= 0).

    Args:
        predicted: x, shape (photo, target).
        matrix: S, shape (target, component), as `TargetSpec.matrix`.
        weights: The diagonal of L, shape (target,), such as the metric's weights; or L itself,
            symmetric and positive semi-definite, shape (target, target), such as `mint_weights`
            gives. Only their proportions matter.

    Returns:
        b, shape (photo, component), >= 0; coherent non-negative predictions keep theirs.

    Raises:
        ValueError: The weights are negative or all zero, or a prediction is not finite.
    """
    from scipy.optimize import nnls  # noqa: PLC0415  # only who asks pays for it

    x, s = np.asarray(predicted, dtype=float), np.asarray(matrix, dtype=float)
    if not np.isfinite(x).all():
        msg = "expected predictions that are finite numbers"
        raise ValueError(msg)
    root = _root(np.asarray(weights, dtype=float))
    design, wanted = root @ s, x @ root.T
    found: Floats = np.linalg.lstsq(design, wanted.T)[0].T
    # Most photos need no constraint; rounding below 0 is no reason to solve again either.
    rounding = 1e-12 * np.abs(x).max(axis=1, initial=0.0)
    for row in np.flatnonzero((found < -rounding[:, None]).any(axis=1)):
        found[row] = nnls(design, wanted[row])[0]
    return np.maximum(found, 0.0)


def mint_weights(residuals: ArrayLike) -> Floats:
    """The inverse of a shrunk covariance of residuals: weights that trust what errs least.

    The covariance about zero is shrunk towards its diagonal by the intensity of Schaefer and
    Strimmer 2005 (Stat Appl Genet Mol Biol 4:32), as MinT proposes for few rows.

    Args:
        residuals: Measured minus predicted of photos not learnt from, shape (row, target).

    Returns:
        Shape (target, target), symmetric, positive definite.

    Raises:
        ValueError: There are fewer than two rows.
    """
    error = np.asarray(residuals, dtype=float)
    n = len(error)
    if n < 2:  # noqa: PLR2004  # a variance needs two
        msg = f"expected residuals of at least 2 photos, found {n}"
        raise ValueError(msg)
    sd = np.sqrt((error**2).mean(axis=0))
    sd = np.maximum(sd, max(_LEAST_SD * float(sd.max(initial=0.0)), np.finfo(float).tiny))
    z = error / sd
    correlation = z.T @ z / n
    apart = ~np.eye(len(sd), dtype=bool)
    chance = ((z**2).T @ z**2 / n - correlation**2) / (n - 1)  # variance of each correlation
    strength = float((correlation[apart] ** 2).sum())
    intensity = float(chance[apart].sum()) / strength if strength > 0 else 1.0
    intensity = min(max(intensity, _LEAST_SHRINKAGE), 1.0)
    shrunk = (1 - intensity) * correlation
    np.fill_diagonal(shrunk, 1.0)
    inverse: Floats = np.linalg.inv(shrunk) / np.outer(sd, sd)
    return (inverse + inverse.T) / 2


def _root(weights: Floats) -> Floats:
    """R with R^T R = L, L divided by its largest weight, shape (target, target)."""
    full = np.diag(weights) if weights.ndim == 1 else weights
    values, vectors = np.linalg.eigh((full + full.T) / 2)
    largest = float(values.max(initial=0.0))
    if not largest > 0 or values.min() < -_LEAST_WEIGHT * largest:
        msg = f"expected weights >= 0, and some above it, found {weights.tolist()}"
        raise ValueError(msg)
    root: Floats = np.sqrt(np.maximum(values / largest, _LEAST_WEIGHT))[:, None] * vectors.T
    return root
