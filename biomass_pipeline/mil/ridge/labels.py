"""Transforms of the labels and their way back to grams."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Transform:
    """One scale to learn on.

    Attributes:
        forward: Labels, >= 0, to the scale.
        back: Predictions on the scale to the labels' unit, >= 0.
    """

    forward: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


def _raw(y: Floats) -> Floats:
    return y


def _sqrt(y: Floats) -> Floats:
    return np.sqrt(np.maximum(y, 0.0))


def _log1p(y: Floats) -> Floats:
    return np.log1p(np.maximum(y, 0.0))


def _present(predicted: Floats) -> Floats:
    return np.maximum(predicted, 0.0)


def _squared(predicted: Floats) -> Floats:
    return np.maximum(predicted, 0.0) ** 2


def _expm1(predicted: Floats) -> Floats:
    return np.expm1(np.maximum(predicted, 0.0))


# Plain, not smeared (Duan 1983): smearing moved the R2 of `sqrt` by .007 at most, either way, and
# made `log1p` worse on generated photos, where its tail is what fails.
TRANSFORMS: Mapping[str, Transform] = {
    "raw": Transform(_raw, _present),
    "sqrt": Transform(_sqrt, _squared),
    "log1p": Transform(_log1p, _expm1),
}
