"""What the page's script works with: every photo's numbers, compact and in one order."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from importlib.resources import files
from typing import Any, Final, Protocol

import pandas as pd

from biomass_pipeline.config import Config, DataConfig
from biomass_pipeline.reporting.album import Album
from biomass_pipeline.reporting.canvas import DARK, LIGHT
from biomass_pipeline.reporting.charts import Kind, residual_spec, scatter_spec
from biomass_pipeline.reporting.photo_columns import photo_columns, short_numbers
from biomass_pipeline.reporting.pictures import Picture
from biomass_pipeline.reporting.scores import MODEL_NAMES, Scores, model_name
from biomass_pipeline.reporting.table import spoken_group
from biomass_pipeline.reporting.vega import as_script_json, chart_config, vega_library


class Survey(Protocol):
    """What of a report's inputs the charts are made of."""

    @property
    def config(self) -> Config:
        """Targets and columns."""

    @property
    def oof(self) -> pd.DataFrame:
        """The out-of-fold predictions, tidy."""

    @property
    def labels(self) -> pd.DataFrame | None:
        """One row a photo."""

    @property
    def album(self) -> Album:
        """The photos' small pictures."""


def explorer_section(
    survey: Survey, scores: Scores, *, pictures: Sequence[Picture], shown: AbstractSet[str]
) -> dict[str, object]:
    """What the template needs for charts that can be asked, and the digests of its scripts.

    Args:
        survey: A report's inputs; without labels there are no such charts, and no script at all.
        scores: Which model is shown first.
        pictures: Figures, of which some have a live chart.
        shown: The photos whose pictures stand in the page already.
    """
    if survey.labels is None:
        return {"explorer": None, "script_digests": ""}
    album = survey.album
    payload = explorer_payload(
        survey.oof,
        survey.labels,
        data=survey.config.data,
        headline=scores.headline or "mil",
        level=next((c.level for by in scores.coverage.values() for c in by.values()), None),
    )
    # Both end with a new line, as inside the page: a browser compares the digests of all between
    # the tags.
    scripts = [f"\n{text.rstrip()}\n" for text in (vega_library(), _own_script())]
    return {
        "explorer": {
            "survey": as_script_json(payload),
            "thumbnails": as_script_json(
                {name: uri for name, uri in album.pictures.items() if name not in shown}
            ),
            "live": as_script_json({each.slug: each.live() for each in pictures if each.live}),
            "scripts": scripts,
            "n_without": album.n_without,
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
        "groups": [spoken_group(str(group)) for group in photos["group"]],
        "folds": [int(fold) for fold in photos["fold"]],
        "unlike": short_numbers(photos.get("ood_percentile")),
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


def _models(oof: pd.DataFrame) -> list[str]:
    there = set(oof["model"])
    return [key for key in MODEL_NAMES if key in there] + sorted(there - set(MODEL_NAMES))


def _measured(oof: pd.DataFrame, ids: list[str], data: DataConfig) -> dict[str, Any]:
    once = oof.drop_duplicates(["image_id", "target"])
    return {
        name: short_numbers(
            once[once["target"] == name].set_index("image_id")["y_true"].reindex(ids)
        )
        for name in data.target_names
    }


def _predicted(oof: pd.DataFrame, ids: list[str], data: DataConfig) -> dict[str, Any]:
    """By model and target: predictions and both ends of the interval."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (model, target), rows in oof.groupby(["model", "target"], sort=False):
        by_photo = rows.set_index("image_id").reindex(ids)
        found.setdefault(str(model), {})[str(target)] = {
            short: short_numbers(by_photo[name]) for short, name in _PREDICTED.items()
        }
    return {model: {t: found[model][t] for t in data.target_names} for model in _models(oof)}


_PREDICTED: Final[Mapping[str, str]] = {"y": "y_pred", "low": "y_lower", "high": "y_upper"}
