"""What the page's script works with: every photo's numbers, compact and in one order."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.album import Album
from biomass_pipeline.reporting.canvas import DARK, LIGHT
from biomass_pipeline.reporting.charts import Kind, kind_of_words, residual_spec, scatter_spec
from biomass_pipeline.reporting.scores import MODEL_NAMES, Scores, model_name
from biomass_pipeline.reporting.vega import as_script_json, chart_config, vega_library

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


def explorer_section(
    oof: pd.DataFrame,
    labels: pd.DataFrame | None,
    *,
    data: DataConfig,
    scores: Scores,
    album: Album,
) -> dict[str, object]:
    """What the template needs for the charts that can be asked, and the digests of its scripts."""
    if labels is None:
        return {"explorer": None, "script_digests": ""}
    payload = explorer_payload(
        oof,
        labels,
        data=data,
        headline=scores.headline or "mil",
        level=next((c.level for by in scores.coverage.values() for c in by.values()), None),
    )
    # Both end with a new line, as inside the page: a browser compares the digests of all between
    # the tags.
    scripts = [f"\n{text.rstrip()}\n" for text in (vega_library(), _own_script())]
    return {
        "explorer": {
            "survey": as_script_json(payload),
            "thumbnails": as_script_json(dict(album.pictures)),
            "maps": as_script_json(dict(album.maps)),
            "scripts": scripts,
            "n_without": album.n_without,
            "along": len(payload["columns"]) > 0,
        },
        "script_digests": " ".join(f"'sha256-{_digest(text)}'" for text in scripts),
    }


def explorer_payload(
    oof: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    data: DataConfig,
    headline: str,
    level: float | None,
) -> dict[str, Any]:
    """Everything the script needs but the pictures, ready for JSON.

    Args:
        oof: The out-of-fold predictions, tidy.
        labels: One row a photo, with whatever columns there are beside the targets.
        data: Targets and group columns.
        headline: The model that is shown first.
        level: Of the intervals.
    """
    photos = oof.drop_duplicates("image_id").sort_values("image_id", kind="stable")
    ids = photos["image_id"].astype(str).tolist()
    known = photos[["image_id"]].merge(labels, on="image_id", how="left")
    columns = photo_columns(known, data=data)
    kinds = {column.kind for column in columns} | {Kind.CATEGORY}
    return {
        "targets": [{"name": t.name, "unit": t.unit} for t in data.targets],
        "target": data.heaviest_target,
        "models": [{"key": key, "name": model_name(key)} for key in _models(oof)],
        "model": headline,
        "level": level,
        "ids": ids,
        "groups": photos["group"].astype(str).tolist(),
        "folds": [int(fold) for fold in photos["fold"]],
        "unlike": _numbers(photos.get("ood_percentile")),
        "columns": [
            {"name": c.name, "kind": c.kind.value, "values": list(c.values)} for c in columns
        ],
        "measured": _measured(oof, ids, data),
        "predicted": _predicted(oof, ids, data),
        "charts": {
            "scatter": {kind.value: scatter_spec(kind) for kind in sorted(kinds)},
            "residuals": {kind.value: residual_spec(kind) for kind in sorted(kinds)},
        },
        "themes": {"light": chart_config(LIGHT), "dark": chart_config(DARK)},
    }


def _own_script() -> str:
    return files(__package__).joinpath("templates", "report.js").read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _column(name: str, values: "pd.Series[Any]", *, data: DataConfig) -> Column | None:
    """A column by what it holds; None if it tells no two photos apart, or nearly all."""
    if values.dropna().nunique() < 2:  # noqa: PLR2004  # nothing to tell apart
        return None
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return Column(name, Kind.NUMBER, tuple(_numbers(values)))
    words = tuple(None if pd.isna(value) else str(value) for value in values)
    if name == data.date_column:
        return Column(name, Kind.DATE, words)
    n_words = len(set(words))
    return Column(name, kind_of_words(n_words), words) if n_words <= _MOST_WORDS else None


def _models(oof: pd.DataFrame) -> list[str]:
    there = set(oof["model"])
    return [key for key in MODEL_NAMES if key in there] + sorted(there - set(MODEL_NAMES))


def _measured(oof: pd.DataFrame, ids: list[str], data: DataConfig) -> dict[str, Any]:
    once = oof.drop_duplicates(["image_id", "target"])
    return {
        name: _numbers(once[once["target"] == name].set_index("image_id")["y_true"].reindex(ids))
        for name in data.target_names
    }


def _predicted(oof: pd.DataFrame, ids: list[str], data: DataConfig) -> dict[str, Any]:
    """By model and target: predictions and both ends of the interval."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (model, target), rows in oof.groupby(["model", "target"], sort=False):
        by_photo = rows.set_index("image_id").reindex(ids)
        found.setdefault(str(model), {})[str(target)] = {
            short: _numbers(by_photo[name]) for short, name in _PREDICTED.items()
        }
    return {model: {t: found[model][t] for t in data.target_names} for model in _models(oof)}


_PREDICTED: Final[Mapping[str, str]] = {"y": "y_pred", "low": "y_lower", "high": "y_upper"}


def _numbers(values: "pd.Series[Any] | None") -> list[float | None]:
    """Five significant digits; None where there is no number."""
    if values is None:
        return []
    return [
        float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
        for value in values.to_numpy(dtype=float)
    ]
