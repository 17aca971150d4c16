"""The floor under every score: each component's mean over the training folds, for every photo."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import PredictionSpec, Predictive, predictive_of
from biomass_pipeline.mil.targets import TargetSpec


def constant_predictions(
    labels: pd.DataFrame,
    assignment: pd.DataFrame,
    *,
    fold: int,
    targets: TargetSpec,
    spec: PredictionSpec,
) -> Predictive:
    """Predict each held-out photo by the components' means over the other folds.

    Intervals and draws come from the errors of means that leave a group out, as those of a model
    come from the errors of its inner predictions.

    Args:
        labels: One row an image: `image_id`, `group` and the targets.
        assignment: `image_id` and `fold`.
        fold: The held-out fold.
        targets: The targets and their identities; a sum is the sum of its components' means.
        spec: Levels, method, number of draws.

    Returns:
        The held-out photos, in the order of the labels.
    """
    held_out = labels["image_id"].map(assignment.set_index("image_id")["fold"]) == fold
    train, ids = labels[~held_out], tuple(labels.loc[held_out, "image_id"])
    y = train[list(targets.names)].to_numpy(dtype=float)
    components = y[:, list(targets.component_columns)]
    groups = train["group"].astype(str).to_numpy(dtype=np.str_)
    return predictive_of(
        ids,
        np.tile(components.mean(axis=0), (len(ids), 1)),
        inner=InnerTable(
            image_ids=train["image_id"].to_numpy(dtype=np.str_),
            groups=groups,
            y=y,
            components=_left_out_means(components, groups),
        ),
        targets=targets,
        spec=spec,
    )


def _left_out_means(
    components: NDArray[np.float64], groups: NDArray[np.str_]
) -> NDArray[np.float64]:
    """The mean of the other groups, a row a photo; of its own where there is no other."""
    means = np.tile(components.mean(axis=0), (len(components), 1))
    names = np.unique(groups)
    for name in names if len(names) > 1 else ():
        inside = groups == name
        means[inside] = components[~inside].mean(axis=0)
    return means
