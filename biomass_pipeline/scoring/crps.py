"""The continuous ranked probability score of draws: how good a whole predictive distribution is."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def crps_of_draws(draws: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """The CRPS of a distribution known by its draws, in the unit of y; lower is better.

    `mean |X - y| - mean |X - X'| / 2`, where the second mean is over pairs of different draws: the
    fair score, whose expectation is that of the distribution behind the draws however few they are
    (Ferro 2014, QJRMS 140:1917). Averaging over all pairs, a draw with itself included, would
    favour models with few draws that lie too close together. It may come out just below 0.

    Args:
        draws: Shape (draw, ...).
        y: Measured, shape (...).

    Returns:
        Shape (...); with a single draw the absolute error.
    """
    x, true = np.sort(np.asarray(draws, dtype=float), axis=0), np.asarray(y, dtype=float)
    n = len(x)
    distance = np.abs(x - true).mean(axis=0)
    # Sorted, sum_{i<j} (x_j - x_i) = sum_i (2 i - n + 1) x_i with i from 0: n log n, not n^2.
    order = 2.0 * np.arange(n) - (n - 1)
    spread = np.tensordot(order, x, axes=1) / max(n * (n - 1), 1)
    return np.asarray(distance - spread)
