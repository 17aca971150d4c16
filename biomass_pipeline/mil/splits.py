"""The inner split: which training groups are set aside to stop, scale and calibrate by."""

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import TooFewGroupsError

_MIN_PARTS = 2


def inner_parts(
    groups: NDArray[np.str_], *, n_parts: int, seed: int
) -> tuple[NDArray[np.int64], ...]:
    """Cut the training bags into parts of about equal size, no group in two of them.

    Groups are placed largest first, each into the smallest part so far; the seed breaks ties.

    Args:
        groups: One a training bag. Held-out groups are not among them, so nothing that is
            decided on a part can have seen them.
        n_parts: Wanted number of parts; never more than there are groups.
        seed: Decides among groups of equal size.

    Returns:
        Positions of the bags of each part, rising.

    Raises:
        TooFewGroupsError: All bags are of one group.
    """
    names, counts = np.unique(groups, return_counts=True)
    if len(names) < _MIN_PARTS:
        raise TooFewGroupsError(list(names), n_images=len(groups))
    n_parts = min(max(n_parts, _MIN_PARTS), len(names))
    chance = np.random.default_rng(seed).permutation(len(names))
    sizes = np.zeros(n_parts, dtype=np.int64)
    part_of = np.zeros(len(names), dtype=np.int64)
    for group in np.lexsort((chance, -counts)):
        part_of[group] = np.argmin(sizes)
        sizes[part_of[group]] += counts[group]
    part = part_of[np.searchsorted(names, groups)]
    return tuple(np.flatnonzero(part == number) for number in range(n_parts))


def part_of_seed(
    groups: NDArray[np.str_], *, inner_fraction: float, seed: int, number: int
) -> NDArray[np.int64]:
    """The bags that network `number` of an ensemble sets aside.

    The networks take turns through the parts of one partition, so an ensemble of
    1 / inner_fraction networks has learnt from every bag and holds an inner out-of-fold
    prediction of every bag. After a full turn the groups are dealt afresh.

    Raises:
        TooFewGroupsError: All bags are of one group.
    """
    n_parts = max(_MIN_PARTS, round(1 / inner_fraction))
    n_parts = min(n_parts, max(_MIN_PARTS, len(np.unique(groups))))
    turn, place = divmod(number, n_parts)
    return inner_parts(groups, n_parts=n_parts, seed=seed + turn)[place]
