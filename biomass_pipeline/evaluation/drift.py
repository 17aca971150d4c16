"""Whether new photos are like those that were learnt from, where sessions differ anyway."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from biomass_pipeline.evaluation.deployment import OUTSIDE_PERCENTILE
from biomass_pipeline.evaluation.finding import Finding

Floats = NDArray[np.float64]

# Half the photos outside happens to about one session in twenty like those learnt from.
OUTSIDE_LIMIT: Final = 0.5
LEVEL: Final = 0.01
FEWEST_GROUPS: Final = 6
_N_DIRECTIONS: Final = 8
_SESSIONS_A_DIRECTION: Final = 3
# In sd: no single feature decides, neither of the sessions learnt from nor of the new one.
_CLIP, _CLIP_NEW = 4.0, 10.0
_FLOOR: Final = 1e-6
_SHOWN: Final = 10


@dataclass(frozen=True)
class MeanShift:
    """How far the mean of new photos is from the sessions', beside how far sessions are.

    Attributes:
        p_value: How often a session like those learnt from is as far away, by chance; None if
            there are too few groups to tell.
        distance: Of the new mean, in units of what is usual within the sessions.
        usual: The median of the sessions' own distances.
        n_groups: Groups compared with.
        features: The features that moved most, the first the most.
        deviations: By how many sd of session means these moved.
    """

    p_value: float | None
    distance: float
    usual: float
    n_groups: int
    features: tuple[int, ...] = ()
    deviations: tuple[float, ...] = ()


def mean_shift(
    new: ArrayLike, old: ArrayLike, groups: ArrayLike, *, chance: np.random.Generator
) -> MeanShift:
    """Test whether new photos, taken as one more session, lie further out than sessions do.

    Photos of a session share light, growth and camera, so a test that counts photos calls every
    new session a shift. Here sessions are counted. A session's distance is the squared residual of
    its mean features outside of the main directions in which the means of the OTHER sessions
    differ (as the residual of Jackson and Mudholkar 1979, Technometrics 21:341), in units of what
    those have outside of them. The logarithm of the new distance is compared with the others' by
    Student's t for one more observation, one-sided. Each group gives no more photos than there are
    new ones: a mean of few is noisier. New photos of several sessions average out, so that the
    test is then on the safe side.

    Args:
        new: Pooled features of the new photos, shape (photo, feature).
        old: Of the photos learnt from, shape (photo, feature).
        groups: Their groups, shape (photo,).
        chance: Which photos stand for a group of more photos than there are new ones.
    """
    fresh, known = np.asarray(new, dtype=float), np.asarray(old, dtype=float)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    n_groups = len(names)
    if not len(fresh) or n_groups < FEWEST_GROUPS:
        return MeanShift(None, float("nan"), float("nan"), n_groups)
    means = np.stack(
        [
            known[_some(np.flatnonzero(index == group), len(fresh), chance)].mean(axis=0)
            for group in range(n_groups)
        ]
    )
    usual = [_outside(np.delete(means, i, axis=0), means[i])[0] for i in range(n_groups)]
    distance, z = _outside(means, fresh.mean(axis=0))
    distances = np.maximum([*usual, distance], _FLOOR)
    others, own = np.log(distances[:-1]), float(np.log(distances[-1]))
    spread = float(others.std(ddof=1)) * np.sqrt(1 + 1 / n_groups)
    p_value = float(stdtr(n_groups - 1, -(own - others.mean()) / max(spread, _FLOOR)))
    order = np.argsort(-np.abs(z), kind="stable")[:_SHOWN]
    return MeanShift(
        p_value,
        float(distances[-1]),
        float(np.median(distances[:-1])),
        n_groups,
        tuple(order.tolist()),
        tuple(z[order].tolist()),
    )


def check_mean_shift(found: MeanShift, *, n_new: int) -> Finding:
    """What the test of `mean_shift` says."""
    if not n_new:
        return Finding(passed=True, sentence="There are no photos without labels.")
    if found.p_value is None:
        told = (
            f"{found.n_groups} groups are too few to tell a new session from a shift; "
            f"{FEWEST_GROUPS} are needed."
        )
        return Finding(passed=True, sentence=told)
    passed = found.p_value > LEVEL
    told = (
        f"The mean features of {n_new} photos without labels are {found.distance:.3g} away, and "
        f"those of {found.n_groups} known groups {found.usual:.3g} (p {found.p_value:.2g}, "
        f"by groups; the limit is {LEVEL:g})."
    )
    advice = " To do: check camera, light and crop; weigh some of these photos and calibrate."
    table = pd.DataFrame({"feature": found.features, "sd away": found.deviations})
    facts = {"p_value": found.p_value, "distance": found.distance, "usual": found.usual}
    return Finding(passed, told if passed else told + advice, table, facts)


def check_outside(percentiles: pd.Series) -> Finding:
    """How many new photos are less like those learnt from than 95 % of left-out ones.

    Args:
        percentiles: The new photos', by image id; NaN if unknown.
    """
    known = percentiles.dropna()
    if not len(known):
        what = "There are no photos without labels" if not len(percentiles) else "It is not known"
        return Finding(passed=True, sentence=f"{what}: nothing to compare.")
    outside = known[known > OUTSIDE_PERCENTILE].sort_values(ascending=False)
    share = len(outside) / len(known)
    passed = share < OUTSIDE_LIMIT
    told = (
        f"{len(outside)} of {len(known)} photos without labels ({share:.0%}) are less like the "
        f"photos learnt from than {OUTSIDE_PERCENTILE:g} % of left-out ones; the limit is "
        f"{OUTSIDE_LIMIT:.0%}."
    )
    advice = " To do: do not trust these before some of them are weighed."
    table = outside.rename("ood_percentile").rename_axis("image_id").reset_index()
    facts = {"photos": len(known), "share": share, "limit": OUTSIDE_LIMIT}
    return Finding(passed, told if passed else told + advice, table, facts)


def _some(rows: NDArray[np.intp], most: int, chance: np.random.Generator) -> NDArray[np.intp]:
    return rows if len(rows) <= most else chance.choice(rows, size=most, replace=False)


def _outside(others: Floats, mean: Floats) -> tuple[float, Floats]:
    """How far a mean is outside of the main directions of others, and its deviations in their sd.

    Args:
        others: Shape (session, feature).
        mean: Shape (feature,).
    """
    centre, sd = others.mean(axis=0), others.std(axis=0)
    # What does not vary among sessions cannot say how far is far.
    varies = sd > _FLOOR * np.maximum(np.abs(others).max(axis=0), 1.0)
    scale = np.where(varies, sd, np.inf)
    z = np.clip((others - centre) / scale, -_CLIP, _CLIP)
    x = np.asarray((mean - centre) / scale)
    _, size, basis = np.linalg.svd(z, full_matrices=False)
    n_directions = min(_N_DIRECTIONS, len(others) // _SESSIONS_A_DIRECTION)
    left = float((z**2).sum() - (size[:n_directions] ** 2).sum()) / len(others)
    shown = np.clip(x, -_CLIP_NEW, _CLIP_NEW)
    residual = float((shown**2).sum() - ((basis[:n_directions] @ shown) ** 2).sum())
    return residual / max(left, _FLOOR), x
