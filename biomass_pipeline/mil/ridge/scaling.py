"""Pooled features brought to one scale by the statistics of the photos that are learnt from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A pooled feature that hardly varies in training would blow any small change up at prediction.
_SPREAD_FLOOR_FRACTION = 1e-3
_SPREAD_FLOOR = 1e-6

# The interquartile range of a normal distribution, in standard deviations.
_IQR_SD = 1.3489795003921634


@dataclass(frozen=True)
class BlockScale:
    """How pooled features are centred, scaled, clipped and weighed.

    Attributes:
        centre: Shape (pooling, feature), the mean or the median.
        spread: Shape (pooling, feature), the standard deviation, or the interquartile range as that
            of a normal distribution; infinite where a feature does not vary.
        weight: Shape (pooling, feature); squares sum to 1 / poolings in each pooling, so that none
            counts for more because more of its features vary, and a row's expected square is about
            1 whatever the width: penalties mean the same for any backbone.
        clip: Scaled features are clipped to +-clip.
    """

    centre: Floats
    spread: Floats
    weight: Floats
    clip: float

    @classmethod
    def fit(cls, pooled: Floats, y: Floats, *, scaling: str, clip: float, relevance: float) -> Self:
        """Take the statistics.

        Args:
            pooled: Shape (bag, pooling, feature), of photos to learn from only.
            y: Shape (bag, component), their labels.
            scaling: `standard` or `robust`.
            clip: Largest size of a scaled feature.
            relevance: Power of a feature's correlation with the labels in its weight; 0: all alike.
        """
        centre, spread = _statistics(pooled, robust=scaling == "robust")
        bare = cls(centre, spread, np.ones_like(centre), clip)
        strength = np.isfinite(spread) * _correlation(bare.scaled(pooled), y) ** relevance
        square = (strength**2).sum(axis=1, keepdims=True) * len(strength)
        return cls(centre, spread, strength / np.sqrt(np.where(square > 0, square, 1.0)), clip)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Undo `arrays`.

        Raises:
            KeyError: An array is missing.
        """
        return cls(arrays["centre"], arrays["spread"], arrays["weight"], float(arrays["clip"]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an `.npz` may hold."""
        return {
            "centre": self.centre,
            "spread": self.spread,
            "weight": self.weight,
            "clip": np.array(self.clip),
        }

    def scaled(self, pooled: Floats) -> Floats:
        """Scaled, clipped and weighed features, shape (bag, pooling, feature)."""
        z = np.clip((pooled - self.centre) / self.spread, -self.clip, self.clip)
        return np.asarray(z * self.weight, dtype=np.float64)

    def __call__(self, pooled: Floats) -> Floats:
        """The same as one row a photo, shape (bag, pooling x feature)."""
        return self.scaled(pooled).reshape(len(pooled), -1)


def _statistics(pooled: Floats, *, robust: bool) -> tuple[Floats, Floats]:
    """Centre and spread; a robust spread of 0 (half the photos alike) gives way to the sd."""
    centre, spread = pooled.mean(axis=0), pooled.std(axis=0)
    spread = np.where(spread > _floor(centre), spread, np.inf)
    if robust:
        low, centre, high = np.quantile(pooled, (0.25, 0.5, 0.75), axis=0)
        between = (high - low) / _IQR_SD
        usable = (between > _floor(centre)) & np.isfinite(spread)
        spread = np.where(usable, between, spread)
    return centre, spread


def _floor(centre: Floats) -> Floats:
    return np.asarray(np.maximum(np.abs(centre) * _SPREAD_FLOOR_FRACTION, _SPREAD_FLOOR))


def _correlation(z: Floats, y: Floats) -> Floats:
    """Root mean square over components of a feature's correlation with them, (pooling, feature)."""
    centred = z - z.mean(axis=0)
    labels = y - y.mean(axis=0)
    covariance = np.einsum("bpf,bc->pfc", centred, labels)
    size = np.sqrt((centred**2).sum(axis=0))[:, :, None] * np.sqrt((labels**2).sum(axis=0))
    r = np.divide(covariance, size, out=np.zeros_like(covariance), where=size > 0)
    return np.asarray(np.sqrt((r**2).mean(axis=2)), dtype=np.float64)
