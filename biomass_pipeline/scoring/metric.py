"""The competition's metric and its plain companions, on arrays of shape (image, target)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomass_pipeline.errors import UndefinedScoreError

_GLOBAL = "global weighted R2"
_ANY_SCORE = "score"
_M2_PER_HA = 10_000
_G_PER_KG = 1_000
_CELL_AXES = 2


@dataclass(frozen=True)
class TargetScore:
    """How well one target is predicted.

    Attributes:
        n: Images scored.
        r2: 1 - SS_res / SS_tot around this target's own mean; None where the labels have no spread.
        rmse: Root mean squared error, in the target's unit.
        mae: Mean absolute error, in the target's unit.
        bias: Mean of predicted minus measured, in the target's unit.
    """

    n: int
    r2: float | None
    rmse: float
    mae: float
    bias: float


def weighted_r2(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    targets: Sequence[str],
    weights: Mapping[str, float],
) -> float:
    """The global weighted R2 of the CSIRO Image2Biomass competition (arXiv 2510.22916).

    All (image, target) cells j count once, around ONE weighted mean:
    `1 - sum_j w_j (y_j - yhat_j)^2 / sum_j w_j (y_j - ybar_w)^2`. It is not the weighted mean of
    the targets' R2, and a constant predictor of each target's mean scores above 0.

    Args:
        y_true: Measured, shape (image, target).
        y_pred: Predicted, shape (image, target).
        targets: The columns' names.
        weights: Weight by target name, never by position.

    Raises:
        UndefinedScoreError: The labels have no spread, a value is not finite, or a target has
            no weight.
        ValueError: The shapes do not agree.
    """
    true, pred = _cells(y_true, y_pred)
    if true.shape[1] != len(targets):
        msg = f"{true.shape[1]} columns for {len(targets)} targets {list(targets)}"
        raise ValueError(msg)
    missing = [name for name in targets if name not in weights]
    if missing:
        raise UndefinedScoreError(_GLOBAL, f"no weight is given for {', '.join(missing)}")
    weight = np.broadcast_to([weights[name] for name in targets], true.shape)
    if weight.sum() <= 0:
        raise UndefinedScoreError(_GLOBAL, "no cell has a positive weight")
    mean = np.average(true, weights=weight)
    total = float((weight * (true - mean) ** 2).sum())
    if not total > np.finfo(float).eps * float((weight * true**2).sum()):
        raise UndefinedScoreError(_GLOBAL, f"all {true.size} labels are alike")
    return 1.0 - float((weight * (true - pred) ** 2).sum()) / total


def score_target(y_true: ArrayLike, y_pred: ArrayLike) -> TargetScore:
    """R2, RMSE, MAE and bias of one target.

    Args:
        y_true: Measured, shape (image,).
        y_pred: Predicted, shape (image,).

    Raises:
        UndefinedScoreError: There is no image, or a value is NaN.
    """
    true, pred = _cells(np.reshape(y_true, (-1, 1)), np.reshape(y_pred, (-1, 1)))
    error = pred - true
    total = float(((true - true.mean()) ** 2).sum())
    spread = total > np.finfo(float).eps * float((true**2).sum())
    return TargetScore(
        n=len(true),
        r2=1.0 - float((error**2).sum()) / total if spread else None,
        rmse=float(np.sqrt((error**2).mean())),
        mae=float(np.abs(error).mean()),
        bias=float(error.mean()),
    )


def kg_per_ha(mass_g: float, quadrat_area_m2: float) -> float:
    """Grams in a quadrat as kilograms of dry matter a hectare.

    >>> round(kg_per_ha(1.0, 0.21), 3)
    47.619
    """
    return mass_g / _G_PER_KG * _M2_PER_HA / quadrat_area_m2


def _cells(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    true, pred = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    if true.ndim != _CELL_AXES or true.shape != pred.shape:
        msg = f"expected two arrays of shape (image, target), found {true.shape} and {pred.shape}"
        raise ValueError(msg)
    if true.size == 0:
        raise UndefinedScoreError(_ANY_SCORE, "there is no image to score")
    if not (np.isfinite(true).all() and np.isfinite(pred).all()):
        raise UndefinedScoreError(_ANY_SCORE, "a value is not a finite number")
    return true, pred
