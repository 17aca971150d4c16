"""The model card and the data card that go with a report, in Markdown.

Both follow the headings of the field: Mitchell et al. 2019, "Model Cards for Model Reporting", and
Gebru et al. 2021, "Datasheets for Datasets". What a bundle's card says as well is said in the same
words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from biomass_pipeline.config import Config, DataConfig
from biomass_pipeline.inference.model_card import (
    INTENDED_USE,
    bullets,
    error_table,
    licence_text,
    limits_text,
    markdown_table,
    score_table,
    targets_text,
)
from biomass_pipeline.reporting.audit import Audit
from biomass_pipeline.reporting.photos import PhotoSummary
from biomass_pipeline.reporting.table import number, share

_NOT_THERE = "not stated: fill this in before you share the data"


def model_card(
    config: Config,
    metrics: Mapping[str, Any],
    *,
    headline: str,
    notes: Sequence[str],
    fingerprints: Mapping[str, str],
    alarms: Sequence[str],
) -> str:
    """The text of `model_card.md`: what the folds' models are, how good, and where not to use them.

    Args:
        config: Of the run.
        metrics: As `metrics.json` has them.
        headline: The result in a sentence.
        notes: What a reader must know before anything else.
        fingerprints: What identifies the results, by name.
        alarms: What points to a leak, a sentence each.
    """
    parts = (
        ("What it predicts", targets_text(config.data)),
        ("What it is made of", _making(config, str(metrics["headline_model"]))),
        ("How well it predicts", _scores(metrics, config.data)),
        ("Signs of a leak", bullets(alarms) if alarms else "None was found."),
        ("Intended use", INTENDED_USE),
        ("Limits", limits_text(config.data, config.tiling)),
        ("Backbone and licence", _backbone(config)),
        (
            "Fingerprints",
            markdown_table(["what", "fingerprint"], list(map(list, fingerprints.items()))),
        ),
    )
    head = [f"# Model card: {config.name}", *(f"**{note}**" for note in notes), headline]
    return _text(head, parts)


def data_card(
    config: Config,
    labels: pd.DataFrame,
    *,
    photos: PhotoSummary,
    audits: Sequence[Audit],
    warnings: Sequence[str],
) -> str:
    """The text of `data_card.md`: what the survey holds, and what is odd about it.

    Args:
        config: Of the run.
        labels: One row a labelled photo.
        photos: The photos at the door.
        audits: What was looked for in photos and labels.
        warnings: What was odd about the label file.
    """
    data = config.data
    parts = (
        ("What it holds", _contents(labels, photos, data)),
        ("Labels", _label_table(labels, data)),
        ("Groups", _groups(labels, data)),
        ("What is odd", bullets([f"{a.title}: {a.sentence}" for a in audits]) or "Not looked at."),
        ("Left out", _left_out(photos, warnings)),
        ("Who made it, and when it may be used", _provenance()),
    )
    return _text([f"# Data card: {config.name}"], parts)


def _text(head: Sequence[str], parts: Sequence[tuple[str, str]]) -> str:
    sections = [f"## {title}\n\n{text}" for title, text in parts]
    return "\n\n".join([*head, *sections]) + "\n"


def _making(config: Config, model: str) -> str:
    training = config.training
    return bullets(
        [
            f"{config.folds.n_folds} folds; a fold's models never see its groups.",
            (
                f"Networks: aggregator `{training.aggregator}`, head `{training.head}`, "
                f"{training.n_seeds} a fold; beside them a ridge on pooled features."
            ),
            f"Which predicts: `{model}`.",
            f"Tiles of {config.tiling.tile_px} px, every {config.tiling.stride_px} px.",
        ]
    )


def _scores(metrics: Mapping[str, Any], data: DataConfig) -> str:
    floor = metrics["protocol"]["floor"]
    told = (
        f"Out of fold: {metrics['n_images']} photos of {metrics['n_groups']} groups, each "
        f"predicted by models that never saw its group. `{floor}` is the floor, which predicts "
        f"training means."
    )
    return "\n\n".join([told, score_table(metrics, data), error_table(metrics, data)])


def _backbone(config: Config) -> str:
    spec = config.backbone
    return bullets(
        [
            (
                f"`{spec.name}` (tokens `{spec.tokens}`, layers `{spec.layers}`, views "
                f"`{spec.views}`)."
            ),
            f"Licence of the backbone: {licence_text(spec.name)}.",
        ]
    )


def _contents(labels: pd.DataFrame, photos: PhotoSummary, data: DataConfig) -> str:
    n_groups = labels["group"].nunique()
    return (
        f"{photos.n_readable} readable photos, {photos.n_unlabelled} of them without labels; "
        f"{len(labels)} with labels, in {n_groups} groups of "
        f"{' and '.join(data.group_columns) or 'one photo'}. A photo shows "
        f"{data.quadrat_area_m2:g} m2 of ground."
    )


def _label_table(labels: pd.DataFrame, data: DataConfig) -> str:
    rows = []
    for target in data.targets:
        values = labels[target.name]
        found = (values.mean(), values.std(), values.min(), values.median(), values.max())
        zeros = float((values < max(target.detection_limit, 1e-12)).mean())
        rows.append([target.name, target.unit, *(number(float(v)) for v in found), share(zeros)])
    columns = ["target", "unit", "mean", "sd", "least", "median", "most", "zeros"]
    return markdown_table(columns, rows)


def _groups(labels: pd.DataFrame, data: DataConfig) -> str:
    parts = []
    for column in data.group_columns:
        sizes = labels[column].astype(str).value_counts().sort_index()
        told = ", ".join(f"{value} {n}" for value, n in sizes.head(_MOST_VALUES).items())
        more = len(sizes) - _MOST_VALUES
        parts.append(f"{column}: {told}" + (f" and {more} more" if more > 0 else "") + " photos.")
    return bullets(parts) if parts else "Photos are not grouped."


_MOST_VALUES = 40


def _left_out(photos: PhotoSummary, warnings: Sequence[str]) -> str:
    lines = [f"{photos.n_quarantined} photos or labels are quarantined."]
    lines += [f"{row.heads[0].text}: {row.cells[0]}" for row in photos.quarantine.rows]
    lines += [f"The label file gave {len(warnings)} warnings."]
    return bullets(lines)


def _provenance() -> str:
    asked = (
        "Collected by",
        "Where and when",
        "Camera, height and angle",
        "Drying and weighing",
        "Licence",
    )
    return bullets([f"{what}: {_NOT_THERE}." for what in asked])
