"""From a photo's tiles to one row of numbers: poolings that know nothing of other photos."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import EmptyBagError, StrangeFeaturesError
from biomass_pipeline.store.bags import FeatureSet

Floats = NDArray[np.float64]

# The power of Radenovic, Tolias and Chum 2018 (arXiv 1711.02512) before it is learnt: between the
# mean (1) and the maximum (infinity).
_GEM_POWER = 3.0


def pool_bags(features: FeatureSet, poolings: Sequence[str]) -> Floats:
    """Pool each photo's tiles, once a pooling.

    Args:
        features: The photos.
        poolings: Of mean, max, min, gem, std; mean, gem and std weigh tiles by area.

    Returns:
        Shape (bag, pooling, feature).

    Raises:
        EmptyBagError: A photo has no tile.
        StrangeFeaturesError: A feature is not finite.
    """
    lengths = np.diff(features.offsets)
    if len(lengths) == 0 or lengths.min() == 0:
        raise EmptyBagError([features.image_ids[i] for i in np.flatnonzero(lengths == 0)])
    _refuse_strange(features, lengths)
    pooled = np.empty((len(lengths), len(poolings), features.feature_dim))
    for bag in range(len(lengths)):
        tiles = features.bag(bag).astype(np.float64)
        share = _shares(features.area_weight[features.rows(bag)])
        for place, name in enumerate(poolings):
            pooled[bag, place] = POOLINGS[name](tiles, share)
    return pooled


def _refuse_strange(features: FeatureSet, lengths: NDArray[np.int64]) -> None:
    """Numpy would go on to a decomposition that fails without a name."""
    strange = ~np.isfinite(features.features).all(axis=1)
    if strange.any():
        bags = np.unique(np.repeat(np.arange(len(lengths)), lengths)[strange])
        raise StrangeFeaturesError([features.image_ids[bag] for bag in bags])


def _shares(area_weight: NDArray[np.float32]) -> Floats:
    """Area weights that sum to 1; tiles without any count alike."""
    weight = area_weight.astype(np.float64)
    total = weight.sum()
    return weight / total if total > 0 else np.full(len(weight), 1.0 / len(weight))


def _mean(tiles: Floats, share: Floats) -> Floats:
    mean: Floats = share @ tiles
    return mean


def _max(tiles: Floats, _: Floats) -> Floats:
    largest: Floats = tiles.max(axis=0)
    return largest


def _min(tiles: Floats, _: Floats) -> Floats:
    smallest: Floats = tiles.min(axis=0)
    return smallest


def _gem(tiles: Floats, share: Floats) -> Floats:
    """Generalised mean, which features that may be negative need a shift for.

    `low + (sum_k a_k (x_k - low)^p)^(1/p)`, low the photo's own minimum of the feature. So it moves
    with the feature, lies between mean and maximum, and learns nothing from other photos.
    """
    low = tiles.min(axis=0)
    mean: Floats = low + (share @ (tiles - low) ** _GEM_POWER) ** (1.0 / _GEM_POWER)
    return mean


def _std(tiles: Floats, share: Floats) -> Floats:
    spread: Floats = np.sqrt(share @ (tiles - share @ tiles) ** 2)
    return spread


POOLINGS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "mean": _mean,
    "max": _max,
    "min": _min,
    "gem": _gem,
    "std": _std,
}
