"""How unlike the training photos a photo is, before its prediction is believed. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomass_pipeline.scoring.grouping import group_weights

Floats = NDArray[np.float64]

# On simulated features 16 directions missed shifts, and 64 were no better than 32.
_N_DIRECTIONS = 32
_PHOTOS_A_DIRECTION = 4
# The directions of 2,000 photos are those of all; the cost grows with the cube.
_MOST_PHOTOS = 2000
# With 10 parts photos of unseen groups came out at 44 on average, with 30 at 48, of 50.
_N_PARTS = 30
_SD_FLOOR_FRACTION = 1e-3
_SD_FLOOR = 1e-6
_VARIANCE_FLOOR = 1e-6
_PREFIX = "novelty_"


@dataclass(frozen=True)
class Novelty:
    """A distance from the training photos, and how far photos of unseen groups usually are.

    Attributes:
        mean: Shape (pooled,), of training photos.
        sd: Shape (pooled,); infinite where a feature does not vary.
        basis: Shape (pooled, direction), orthonormal: the directions in which photos vary most.
        variance: Shape (direction,), of photos along them, shrunk.
        residual: Mean square of what lies outside of them.
        distances: Shape (photo,), rising, of training photos from models without their groups.
        reached: Shape (photo,), the cumulative weight of `distances`, groups weighed alike.
    """

    mean: Floats
    sd: Floats
    basis: Floats
    variance: Floats
    residual: Floats
    distances: Floats
    reached: Floats

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Undo `arrays`; other names are left alone.

        Raises:
            KeyError: An array is missing.
        """
        return cls(**{name: arrays[f"{_PREFIX}{name}"] for name in cls.__dataclass_fields__})

    def arrays(self) -> dict[str, Floats]:
        """Arrays named `novelty_...`: what an `.npz` may hold."""
        return {f"{_PREFIX}{name}": getattr(self, name) for name in self.__dataclass_fields__}

    def distance(self, pooled: ArrayLike) -> Floats:
        """The squared distance from the training photos, about 2 for those, shape (photo,).

        Mahalanobis along the directions, per direction, plus what lies outside of them in units of
        what lies outside for training photos.
        """
        z = (np.asarray(pooled, dtype=float) - self.mean) / self.sd
        along = z @ self.basis
        outside = np.maximum((z**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
        return np.asarray((along**2 / self.variance).mean(axis=1) + outside / self.residual)

    def percentile(self, pooled: ArrayLike) -> Floats:
        """The per cent of training photos that are nearer to the other groups, shape (photo,).

        Even between 0 and 100 for photos of unseen groups like the training ones; near 100: from
        somewhere else. NaN if there was one group only.

        Args:
            pooled: Pooled features, shape (photo, pooled).
        """
        if len(self.distances) == 0:
            return np.full(len(np.asarray(pooled)), np.nan)
        nearer = np.searchsorted(self.distances, self.distance(pooled), side="left")
        return np.asarray(100.0 * np.concatenate([[0.0], self.reached])[nearer])


def fit_novelty(pooled: ArrayLike, groups: ArrayLike) -> Novelty:
    """Learn what training photos look like, and how far photos of left-out groups are from that.

    The distance is that of probabilistic principal components: standardised features, the variance
    along the main directions shrunk (Ledoit and Wolf 2004, J Multivar Anal 88:365), one variance
    for all the others (Lee et al. 2018, arXiv 1807.03888, use Mahalanobis distance likewise). On
    simulated features with sessions it told more kinds of foreign photos from photos of unseen
    sessions than the distance to the 5 nearest training photos did. Photos are compared with
    photos of LEFT-OUT groups: any new session is further away than the photos learnt from.

    Args:
        pooled: Pooled features of the training photos, shape (photo, pooled).
        groups: Their groups, shape (photo,).
    """
    x = np.asarray(pooled, dtype=float)
    unique, index = np.unique(np.asarray(groups), return_inverse=True)
    whole = _fit(x)
    if len(unique) == 1:
        return whole
    n_parts = min(len(unique), _N_PARTS)
    distances = np.empty(len(x))
    for part in range(n_parts):
        out = index % n_parts == part
        distances[out] = _fit(x[~out]).distance(x[out])
    order = np.argsort(distances, kind="stable")
    reached = np.cumsum(group_weights(groups)[order])
    facts = {name: getattr(whole, name) for name in ("mean", "sd", "basis", "variance", "residual")}
    return Novelty(**facts, distances=distances[order], reached=reached / reached[-1])


def _fit(x: Floats) -> Novelty:
    """The distance alone, not yet compared with anything."""
    mean, sd = x.mean(axis=0), x.std(axis=0)
    floor = np.maximum(np.abs(mean) * _SD_FLOOR_FRACTION, _SD_FLOOR)
    varies = sd > floor
    sd = np.where(varies, sd, np.inf)
    z = (x - mean) / sd
    n_directions = max(1, min(_N_DIRECTIONS, len(x) // _PHOTOS_A_DIRECTION, int(varies.sum())))
    basis = _main_directions(z, n_directions)
    along = z @ basis
    total, inside = float((z**2).sum()), float((along**2).sum())
    least = _VARIANCE_FLOOR * max(total / len(x), 1.0)
    return Novelty(
        mean=mean,
        sd=sd,
        basis=basis,
        variance=np.maximum(_shrunk_variance(along), least),
        residual=np.array(max((total - inside) / len(x), least)),
        distances=np.empty(0),
        reached=np.empty(0),
    )


def _main_directions(z: Floats, n_directions: int) -> Floats:
    """Orthonormal directions of most variance, shape (pooled, direction)."""
    some = z[:: -(-len(z) // _MOST_PHOTOS)]
    if some.shape[1] <= len(some):
        _, vectors = np.linalg.eigh(some.T @ some)
        return np.asarray(vectors[:, ::-1][:, :n_directions])
    _, vectors = np.linalg.eigh(some @ some.T)
    directions, _ = np.linalg.qr(some.T @ vectors[:, ::-1][:, :n_directions])
    return np.asarray(directions)


def _shrunk_variance(along: Floats) -> Floats:
    """Ledoit and Wolf's variances of centred, uncorrelated columns, shape (direction,)."""
    n = len(along)
    variance = (along**2).mean(axis=0)
    target = variance.mean()
    apart = float(((variance - target) ** 2).sum())
    square = (along**2).sum(axis=1)
    noise = float((square**2).sum() / n - (variance**2).sum()) / n
    intensity = min(noise / apart, 1.0) if apart > 0 else 1.0
    return np.asarray((1 - intensity) * variance + intensity * target)
