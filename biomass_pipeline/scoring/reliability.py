"""Whether stated probabilities of finding a component come true."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomass_pipeline.errors import UndefinedScoreError

_BRIER = "Brier score"
_RELIABILITY = "reliability of presence"


@dataclass(frozen=True)
class ReliabilityBin:
    """Photos with about the same stated probability of presence.

    Attributes:
        lower: The bin's lower edge.
        upper: Its upper edge.
        n: Photos in it.
        stated: Mean stated probability.
        observed: The share of photos where it was present.
    """

    lower: float
    upper: float
    n: int
    stated: float
    observed: float


def brier_score(present: ArrayLike, probability: ArrayLike) -> float:
    """The mean squared difference between a probability and what happened; lower is better.

    0 is perfect; stating the share s of photos everywhere scores s (1 - s).

    Args:
        present: Whether it was there, shape (image,), bool.
        probability: As stated, shape (image,), 0..1.

    Raises:
        UndefinedScoreError: There is no photo.
    """
    happened, stated = _pairs(present, probability, score=_BRIER)
    return float(((stated - happened) ** 2).mean())


def presence_reliability(
    present: ArrayLike, probability: ArrayLike, *, n_bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """Stated against observed presence in equal bins of the stated probability, rising.

    Args:
        present: Whether it was there, shape (image,), bool.
        probability: As stated, shape (image,), 0..1.
        n_bins: How many bins; those without a photo are left out.

    Raises:
        UndefinedScoreError: There is no photo.
    """
    happened, stated = _pairs(present, probability, score=_RELIABILITY)
    number = np.minimum((stated * n_bins).astype(np.int64), n_bins - 1)
    return tuple(
        ReliabilityBin(
            lower=float(one / n_bins),
            upper=float((one + 1) / n_bins),
            n=int((number == one).sum()),
            stated=float(stated[number == one].mean()),
            observed=float(happened[number == one].mean()),
        )
        for one in np.unique(number)
    )


def _pairs(
    present: ArrayLike, probability: ArrayLike, *, score: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    happened, stated = np.asarray(present, dtype=float), np.asarray(probability, dtype=float)
    if happened.shape != stated.shape:
        msg = f"expected a probability a photo, found {stated.shape} for {happened.shape}"
        raise ValueError(msg)
    if happened.size == 0:
        raise UndefinedScoreError(score, "there is no photo")
    return happened.ravel(), stated.ravel()
