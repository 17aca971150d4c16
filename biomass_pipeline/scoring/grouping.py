"""Photos of one group share their errors: a group counts once, however many photos it has."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def group_weights(groups: ArrayLike) -> NDArray[np.float64]:
    """Each photo's weight when groups weigh alike, adding up to 1.

    >>> group_weights(["a", "b", "b"]).tolist()
    [0.5, 0.25, 0.25]

    Args:
        groups: The photos' groups, shape (image,).

    Returns:
        Shape (image,).
    """
    _, index, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(sizes) * sizes[index]), dtype=np.float64)
