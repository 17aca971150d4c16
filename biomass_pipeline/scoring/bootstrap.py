"""How sure a score is: groups drawn anew, since photos of one group share their errors."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STATISTICS = 4
_ROUNDING = 1e-12  # a difference of squares this small is rounding, not spread


def bootstrap_weighted_r2(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    groups: ArrayLike,
    *,
    column_weights: ArrayLike,
    chance: np.random.Generator,
    n_resamples: int = 500,
) -> NDArray[np.float64]:
    """The global weighted R2 of resampled groups.

    Whole groups are drawn with replacement, as many as there are. A draw whose labels have no
    spread has no score and is left out.

    Args:
        y_true: Measured, shape (image, target).
        y_pred: Predicted, shape (image, target).
        groups: The images' groups, shape (image,).
        column_weights: The targets' weights in the order of the columns, shape (target,).
        chance: The source of the draws.
        n_resamples: How many draws.

    Returns:
        Shape (draw,), at most `n_resamples` long.
    """
    true, pred = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    weight = np.broadcast_to(np.asarray(column_weights, dtype=float), true.shape)
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    per_group = np.zeros((int(index.max()) + 1, _STATISTICS))
    cells = (weight, weight * true, weight * true**2, weight * (true - pred) ** 2)
    np.add.at(per_group, index, np.stack([cell.sum(axis=1) for cell in cells], axis=1))
    share = np.full(len(per_group), 1 / len(per_group))
    drawn = chance.multinomial(len(per_group), share, size=n_resamples)
    total_weight, total, squares, residual = (drawn @ per_group).T
    spread = squares - total**2 / total_weight
    defined = spread > _ROUNDING * squares
    return np.asarray(1 - residual[defined] / spread[defined])
