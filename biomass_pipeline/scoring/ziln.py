"""The zero-inflated lognormal distribution: mean, quantile, distribution function and CRPS.

A mass is 0 with probability 1 - p, else lognormal with log-mean mu and log-sd sigma (Wang, Liu and
Miao 2019, arXiv 1912.07753). All functions broadcast their arguments.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Values = NDArray[np.float64]


def ziln_mean(presence: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Values:
    """The expectation, `p exp(mu + sigma^2 / 2)`."""
    p, location, scale = _floats(presence, mu, sigma)
    return np.asarray(p * np.exp(location + scale**2 / 2))


def ziln_quantile(level: ArrayLike, presence: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Values:
    """The quantile: 0 up to level 1 - p, then that of the lognormal part."""
    tau, p, location, scale = _floats(level, presence, mu, sigma)
    positive = tau > 1 - p
    within = np.where(positive, (tau - 1 + p) / np.where(p > 0, p, 1), _ANY)
    return np.where(positive, np.exp(location + scale * ndtri(within)), 0.0)


def ziln_cdf(y: ArrayLike, presence: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Values:
    """The probability of at most `y`; 0 below 0."""
    value, p, location, scale = _floats(y, presence, mu, sigma)
    z = (np.log(np.where(value > 0, value, 1.0)) - location) / scale
    mass = 1 - p + p * np.where(value > 0, ndtr(z), 0.0)
    return np.where(value < 0, 0.0, mass)


def ziln_crps(y: ArrayLike, presence: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Values:
    """The continuous ranked probability score of `y >= 0`, in its unit; lower is better.

    In closed form, from `E|X - y| - E|X - X'| / 2` with the lognormal's parts worked out.
    """
    value, p, location, scale = _floats(y, presence, mu, sigma)
    mean = np.exp(location + scale**2 / 2)
    z = (np.log(np.where(value > 0, value, 1.0)) - location) / scale
    distance = value * (2 * ndtr(z) - 1) + mean * (1 - 2 * ndtr(z - scale))
    distance = np.where(value > 0, distance, mean)
    spread = p * (1 - p) * mean + p**2 * mean * (2 * ndtr(scale / np.sqrt(2)) - 1)
    return np.asarray((1 - p) * value + p * distance - spread)


def _floats(*values: ArrayLike) -> tuple[Values, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in values)))


_ANY = 0.5  # a level inside (0, 1) for cells that are not used
