"""How errors grow with what is predicted: heavy plots get wider intervals than bare soil.

Conformal intervals and draws hold on average whatever is assumed here; a good assumption makes them
hold for small and for large masses too, and narrower.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomass_pipeline.scoring.grouping import group_weights

Floats = NDArray[np.float64]

# Errors of one size; as a count's, growing with the root; in proportion.
_POWERS = (0.0, 0.5, 1.0)
_LEAST = 1e-12
_TIE = 1e-6  # predictions all alike leave the power open: then 0, not what rounding says


@dataclass(frozen=True)
class Spread:
    """The size of errors as a function of the prediction, `(offset + prediction) ^ power`.

    Attributes:
        power: Shape (column,), each 0, 1/2 or 1.
        offset: Shape (column,), > 0, the mean of the labels, groups weighed alike: what keeps
            errors about a prediction of 0 from vanishing.
    """

    power: Floats
    offset: Floats

    def at(self, predicted: ArrayLike) -> Floats:
        """The size of errors up to a factor, > 0, shape (..., column) as the predictions."""
        grown = self.offset + np.maximum(np.asarray(predicted, dtype=float), 0.0)
        return np.asarray(grown**self.power)


def fit_spread(y_true: ArrayLike, y_pred: ArrayLike, groups: ArrayLike) -> Spread:
    """Choose each column's power by the likelihood of its errors, groups weighed alike.

    Under Laplace errors of scale `b s_i` the best b leaves
    `mean(log s_i) + log mean(|e_i| / s_i)` to be made small. Simulated surveys with 30 groups, in
    which errors grow with the mass, gain 1.5 to 4 % of CRPS and 10 to 23 % of the 90 % interval
    score against one size for all; where they do not grow, power 0 is mostly found and less than
    1 % is lost.

    Args:
        y_true: Measured, shape (image, column).
        y_pred: Predicted out of fold, shape (image, column).
        groups: The images' groups, shape (image,).
    """
    true, pred = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    weight = group_weights(groups)
    offset = np.maximum(weight @ true, _LEAST)
    error = np.abs(true - pred)
    losses = []
    for power in _POWERS:
        size = Spread(np.full(true.shape[1], power), offset).at(pred)
        typical = np.maximum(weight @ (error / size), _LEAST)
        losses.append(weight @ np.log(size) + np.log(typical) + _TIE * power)
    return Spread(power=np.array(_POWERS)[np.argmin(losses, axis=0)], offset=offset)
