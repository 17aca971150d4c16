"""Means of paddocks: what a manager plans with, and how far off they may be."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from biomass_pipeline.errors import UngroupedPhotosError
from biomass_pipeline.inference.combining import EnsemblePrediction, kg_dm_ha_of
from biomass_pipeline.scoring import paddock_mean

PADDOCK_COLUMNS = (
    "group",
    "target",
    "n_photos",
    "y_mean",
    "standard_error",
    "kg_dm_ha",
    "kg_dm_ha_se",
)


def paddock_summary(
    prediction: EnsemblePrediction,
    groups: "pd.Series[str]",
    *,
    quadrat_area_m2: float,
    in_grams: Collection[str] | None = None,
) -> pd.DataFrame:
    """The mean of each paddock's photos with a standard error that knows what they share.

    Photos of a paddock are taken in one session, whose light and sward they share: more photos
    average out their own errors and never that, `SE = sqrt(sb^2 + sw^2 / n)`
    (`scoring.paddocks`). Both variances are those of unseen groups in training, so a paddock is as
    uncertain as a new session was. Identities hold for means as they do for photos.

    Args:
        prediction: Of all folds together.
        groups: The paddock of each photo, by its id; others than the predicted are ignored.
        quadrat_area_m2: The ground that a photo shows.
        in_grams: The targets that are weighed in grams; all if None.

    Returns:
        A row a paddock and target, paddocks in order of name, with `group, target, n_photos,
        y_mean, standard_error` in the target's unit, `kg_dm_ha, kg_dm_ha_se`, which are NaN for
        targets that are not in grams. Standard errors are NaN where training knew one group only.

    Raises:
        UngroupedPhotosError: A predicted photo has no paddock.
    """
    known = groups[~groups.index.duplicated()].reindex(list(prediction.predictive.image_ids))
    if known.isna().any():
        raise UngroupedPhotosError([str(name) for name in known.index[known.isna()]])
    rows = list(_rows(prediction, known.astype("str").to_numpy(dtype=object)))
    frame = pd.DataFrame(rows, columns=list(PADDOCK_COLUMNS[:5])).astype(
        {"group": "str", "target": "str", "n_photos": "int64"}
        | dict.fromkeys(PADDOCK_COLUMNS[3:5], "float64")
    )
    per_ha = kg_dm_ha_of(frame["target"], quadrat_area_m2, in_grams=in_grams)
    return frame.assign(
        kg_dm_ha=frame["y_mean"] * per_ha, kg_dm_ha_se=frame["standard_error"] * per_ha
    )


def _rows(prediction: EnsemblePrediction, groups: "np.ndarray[Any, Any]") -> Iterator[list[Any]]:
    y = prediction.predictive.y
    for group in sorted(set(groups)):
        own = y[groups == group]
        for column, name in enumerate(prediction.targets.names):
            found = paddock_mean(own[:, column], variance=prediction.variance[column])
            yield [group, name, found.n, found.mean, found.standard_error]
