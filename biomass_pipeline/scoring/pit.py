"""The probability integral transform: whether draws spread as the measured values do."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomass_pipeline.errors import UndefinedScoreError

_HISTOGRAM = "PIT histogram"


def pit_of_draws(
    draws: ArrayLike, y: ArrayLike, *, chance: np.random.Generator
) -> NDArray[np.float64]:
    """Where each measured value stands among its draws, in (0, 1).

    Uniform for a value that comes from the draws' distribution, exactly and for any number of
    draws; a value that ties with draws, such as a zero, is placed among them by chance (Czado,
    Gneiting and Held 2009, Biometrics 65:1254).

    Args:
        draws: Shape (draw, ...).
        y: Measured, shape (...).
        chance: The source of the randomisation.

    Returns:
        Shape (...).
    """
    x, true = np.asarray(draws, dtype=float), np.asarray(y, dtype=float)
    below, equal = (x < true).sum(axis=0), (x == true).sum(axis=0)
    place = below + chance.random(true.shape) * (equal + 1)
    return np.asarray(place / (len(x) + 1))


def pit_histogram(pit: ArrayLike, *, n_bins: int = 10) -> NDArray[np.float64]:
    """The share of values in each of `n_bins` equal bins of (0, 1); even if well calibrated.

    High at both ends: the distributions are too narrow. High in the middle: too wide. A slope:
    biased.

    Args:
        pit: Values in 0..1, any shape.
        n_bins: How many bins.

    Returns:
        Shape (bin,), adding up to 1.

    Raises:
        UndefinedScoreError: There is no value.
    """
    values = np.asarray(pit, dtype=float).ravel()
    if values.size == 0:
        raise UndefinedScoreError(_HISTOGRAM, "there is no value")
    counts, _ = np.histogram(values, bins=n_bins, range=(0.0, 1.0))
    return np.asarray(counts / values.size)
