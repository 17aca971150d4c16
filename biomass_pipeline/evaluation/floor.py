"""The floor under every score: each target's mean over the training folds, for every photo."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.scoring import group_conformal_halfwidth


def constant_predictions(
    labels: pd.DataFrame,
    assignment: pd.DataFrame,
    *,
    fold: int,
    targets: Sequence[str],
    level: float,
) -> pd.DataFrame:
    """Predict each held-out photo by the targets' means over the other folds.

    Args:
        labels: One row an image: `image_id`, `group` and the targets.
        assignment: `image_id` and `fold`.
        fold: The held-out fold.
        targets: The targets, in the order wanted.
        level: Coverage of the intervals, which come from the errors of leave-one-group-out means.

    Returns:
        Tidy: `image_id, target, y_pred, y_lower, y_upper`, in the order of the labels.
    """
    held_out = labels["image_id"].map(assignment.set_index("image_id")["fold"]) == fold
    train, ids = labels[~held_out], labels.loc[held_out, "image_id"].to_numpy()
    masses = train[list(targets)].to_numpy(dtype=float)
    mean = masses.mean(axis=0)
    groups = train["group"].to_numpy()
    errors = _left_out_errors(masses, groups)
    half = [group_conformal_halfwidth(column, groups, level=level) for column in errors.T]
    return pd.DataFrame(
        {
            "image_id": np.repeat(ids, len(targets)),
            "target": np.tile(np.array(targets, dtype=object), len(ids)),
            "y_pred": np.tile(mean, len(ids)),
            "y_lower": np.tile(np.maximum(mean - half, 0.0), len(ids)),
            "y_upper": np.tile(mean + half, len(ids)),
        }
    ).astype({"image_id": "str", "target": "str"})


def _left_out_errors(
    masses: NDArray[np.float64], groups: NDArray[np.object_]
) -> NDArray[np.float64]:
    """Each photo's mass minus the mean of the other groups; of its own where there is no other."""
    errors: NDArray[np.float64] = masses - masses.mean(axis=0)
    names = np.unique(groups)
    for name in names if len(names) > 1 else ():
        inside = groups == name
        errors[inside] = masses[inside] - masses[~inside].mean(axis=0)
    return errors
