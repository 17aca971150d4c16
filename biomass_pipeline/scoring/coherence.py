"""Sums that follow from their components: what makes a prediction coherent."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def sums_from_components(components: ArrayLike, matrix: ArrayLike) -> NDArray[np.float64]:
    """All targets from the components alone.

    Args:
        components: Shape (..., component).
        matrix: The identities as `DataConfig.component_matrix` gives them, shape
            (target, component).

    Returns:
        Shape (..., target).
    """
    values: NDArray[np.float64] = (
        np.asarray(components, dtype=float) @ np.asarray(matrix, dtype=float).T
    )
    return values
