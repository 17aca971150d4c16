"""Leaks that the features alone show: one that is the label, a photo that is there twice."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.evaluation.trial import deviations
from biomass_pipeline.store.bags import FeatureSet

Floats = NDArray[np.float64]

# With fewer photos beyond one a group a perfect correlation is no surprise among many features.
_MIN_FREEDOM = 10
_ROWS_AT_ONCE = 512
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Closest:
    """The feature that follows a target best.

    Attributes:
        feature: Its number.
        target: The target.
        correlation: The lesser of its absolute correlations across groups and within them.
    """

    feature: int
    target: str
    correlation: float


@dataclass(frozen=True)
class Twins:
    """Two photos with nearly the same features."""

    first: str
    second: str
    likeness: float


def pooled_means(features: FeatureSet) -> Floats:
    """The area-weighted mean of each photo's tiles, shape (photo, feature)."""
    starts = features.offsets[:-1]
    weight = features.area_weight.astype(np.float64)
    sums = np.add.reduceat(features.features * weight[:, None], starts, axis=0)
    total = np.add.reduceat(weight, starts)
    return np.asarray(sums / np.maximum(total, _ROUNDING)[:, None], dtype=np.float64)


def closest_feature(features: FeatureSet, labels: pd.DataFrame) -> Closest | None:
    """The feature that follows a target best, as numbers or as ranks, whichever is closer.

    A correlation counts only if it holds across all photos and among the deviations from the
    group's mean: honest features of a session follow its mean, and do not tell its photos apart.

    Args:
        features: Of all photos; those without labels take no part.
        labels: `image_id, group, target, y_true`, each image and target once.

    Returns:
        None if there are too few photos to tell.
    """
    y = labels.set_index(["image_id", "target"])["y_true"].unstack("target")  # noqa: PD010  # pivot_table would average a repeated row
    group_of = labels.drop_duplicates("image_id").set_index("image_id")["group"]
    rows = [n for n, name in enumerate(features.image_ids) if name in y.index]
    ids = [features.image_ids[n] for n in rows]
    groups = group_of.loc[ids].to_numpy(dtype=object)
    if len(ids) - len(set(groups)) < _MIN_FREEDOM:
        return None
    x, true = pooled_means(features)[rows], y.loc[ids].to_numpy(dtype=float)
    found = np.maximum(
        _both_ways(x, true, groups),
        _both_ways(_ranks(x), _ranks(true), groups),
    )
    feature, target = np.unravel_index(int(found.argmax()), found.shape)
    return Closest(int(feature), str(y.columns[int(target)]), float(found.max()))


def _ranks(columns: Floats) -> Floats:
    """The rank of each value in its column; equal values have the mean of their ranks."""
    # Not scipy.stats, which would add a second to the start of every process that loads the graph.
    ranks: Floats = pd.DataFrame(columns).rank().to_numpy(dtype=float)
    return ranks


def likeliest_twins(
    features: FeatureSet, labels: pd.DataFrame, *, above: float
) -> tuple[Twins, ...]:
    """Pairs of photos in different folds with nearly the same features, the likest first.

    Features are standardised first: raw ones share an offset that makes all photos look alike.
    The likeness is `1 - |a - b|^2 / (2 max(|a|, |b|)^2)`: the cosine, for vectors of one length.

    Args:
        features: Of all photos; those without a fold take no part.
        labels: `image_id, fold`, one row a photo or more.
        above: The likeness of a pair that is told.
    """
    fold_of = labels.drop_duplicates("image_id").set_index("image_id")["fold"]
    rows = [n for n, name in enumerate(features.image_ids) if name in fold_of.index]
    ids = [features.image_ids[n] for n in rows]
    if not ids:
        return ()
    folds = fold_of.loc[ids].to_numpy()
    z = _standardised(pooled_means(features)[rows])
    square = (z**2).sum(axis=1)
    pairs = []
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        apart = square[part, None] + square - 2 * (z[part] @ z.T)
        larger = np.maximum(np.maximum(square[part, None], square), _ROUNDING)
        likeness = 1 - np.maximum(apart, 0.0) / (2 * larger)
        likeness[folds[part, None] == folds] = -1.0
        pairs += [
            Twins(ids[start + i], ids[j], float(likeness[i, j]))
            for i, j in np.argwhere(likeness > above).tolist()
            if start + i < j
        ]
    return tuple(sorted(pairs, key=lambda pair: -pair.likeness))


def _both_ways(x: Floats, y: Floats, groups: NDArray[np.object_]) -> Floats:
    """The lesser of the absolute correlations across and within groups, (feature, target)."""
    across = _correlations(x - x.mean(axis=0), y - y.mean(axis=0))
    within = _correlations(deviations(x, groups), deviations(y, groups))
    return np.minimum(across, within)


def _correlations(x: Floats, y: Floats) -> Floats:
    """Absolute correlations of centred columns; 0 where one does not vary."""
    size = np.linalg.norm(x, axis=0)[:, None] * np.linalg.norm(y, axis=0)
    product = np.abs(x.T @ y)
    return np.asarray(np.divide(product, size, out=np.zeros_like(product), where=size > _ROUNDING))


def _standardised(x: Floats) -> Floats:
    """Features of mean 0 and sd 1; those that do not vary are left out."""
    sd = x.std(axis=0)
    varies = sd > _ROUNDING * np.maximum(np.abs(x).max(axis=0, initial=0.0), 1.0)
    return np.asarray((x[:, varies] - x[:, varies].mean(axis=0)) / sd[varies], dtype=np.float64)
