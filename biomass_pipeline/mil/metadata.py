"""What is known of a photo beside its pixels, as numbers: covariates of a network. No torch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.errors import UnknownCovariateError

SEASON = "season"

_DAYS_A_YEAR = 365.25


def covariates_of(
    table: pd.DataFrame,
    image_ids: Sequence[str],
    *,
    names: Sequence[str],
    date_column: str | None = None,
) -> NDArray[np.float64]:
    """Read the covariates of some photos.

    Args:
        table: Column `image_id` and whatever is known of the photos.
        image_ids: The photos, in the order wanted.
        names: Columns of the table; `season` is the day of the year as a point on a circle.
        date_column: The column of dates that `season` is made of.

    Returns:
        Shape (photo, covariate), NaN where a photo or its value is missing; `season` takes two
        columns. A name that is no column at all is missing of every photo.

    Raises:
        UnknownCovariateError: A value is there but is no number, or no date.
    """
    rows = table.drop_duplicates("image_id").set_index("image_id").reindex(list(image_ids))
    columns = [
        _season(rows, date_column) if name == SEASON else _numbers(rows, name)[:, None]
        for name in names
    ]
    return np.concatenate([np.empty((len(rows), 0)), *columns], axis=1)


def covariate_columns(names: Sequence[str]) -> tuple[str, ...]:
    """One name for each column that `covariates_of` gives.

    >>> covariate_columns(["Height_Ave_cm", "season"])
    ('Height_Ave_cm', 'season (sine)', 'season (cosine)')
    """
    circle = (f"{SEASON} (sine)", f"{SEASON} (cosine)")
    return tuple(part for name in names for part in (circle if name == SEASON else (name,)))


def _season(rows: pd.DataFrame, date_column: str | None) -> NDArray[np.float64]:
    if date_column is None or date_column not in rows:
        return np.full((len(rows), 2), np.nan)
    try:
        days = pd.to_datetime(rows[date_column]).dt.day_of_year.to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise UnknownCovariateError(SEASON, column=date_column) from error
    angle = 2 * np.pi * days / _DAYS_A_YEAR
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _numbers(rows: pd.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in rows:
        return np.full(len(rows), np.nan)
    try:
        return pd.to_numeric(rows[name]).to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise UnknownCovariateError(name, column=name) from error
