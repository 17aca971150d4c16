"""What is known of each photo beside its targets: where, when, how tall, how green."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.charts import Kind, kind_of_words

_DIGITS: Final = 5
_KEYS: Final = ("image_id", "group")
# Words of nearly every photo, such as notes, colour nothing.
_MOST_WORDS: Final = 60


@dataclass(frozen=True)
class Column:
    """Something that is known of each photo, to colour it by and to look along.

    Attributes:
        name: In the table of labels.
        kind: What it holds.
        values: One a photo: words, numbers or dates as text; None where it is not known.
    """

    name: str
    kind: Kind
    values: tuple[str | float | None, ...]


def photo_columns(labels: pd.DataFrame, *, data: DataConfig) -> list[Column]:
    """The columns beside the targets that tell photos apart, the group columns first.

    Args:
        labels: One row a photo.
        data: The group columns, the date and the targets.
    """
    first = [name for name in data.group_columns if name in labels]
    others = [
        str(name)
        for name in labels
        if name not in {*_KEYS, *data.target_names, *first, data.image_column}
    ]
    columns = [_column(name, labels[name], data=data) for name in [*first, *others]]
    return [column for column in columns if column is not None]


def short_numbers(values: "pd.Series[Any] | None") -> list[float | None]:
    """Five significant digits; None where there is no number."""
    if values is None:
        return []
    return [
        float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
        for value in values.to_numpy(dtype=float)
    ]


def _column(name: str, values: "pd.Series[Any]", *, data: DataConfig) -> Column | None:
    """A column by what it holds; None if it tells no two photos apart, or nearly all."""
    if values.dropna().nunique() < 2:  # noqa: PLR2004  # nothing to tell apart
        return None
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return Column(name, Kind.NUMBER, tuple(short_numbers(values)))
    words = tuple(None if pd.isna(value) else str(value) for value in values)
    if name == data.date_column:
        return Column(name, Kind.DATE, words)
    n_words = len(set(words))
    return Column(name, kind_of_words(n_words), words) if n_words <= _MOST_WORDS else None
