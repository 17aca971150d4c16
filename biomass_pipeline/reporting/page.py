"""The page people read: one file with scores, figures, what was left out, and how it was made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
import pandas as pd
import yaml

from biomass_pipeline import __version__
from biomass_pipeline.config import Config, DataConfig
from biomass_pipeline.reporting.album import Album
from biomass_pipeline.reporting.explorer import explorer_section
from biomass_pipeline.reporting.headline import headline, unseen_groups, verdicts
from biomass_pipeline.reporting.photos import PhotoSummary, summarize_photos
from biomass_pipeline.reporting.score_tables import (
    breakdown_table,
    choice_table,
    coverage_table,
    global_bars,
    target_table,
)
from biomass_pipeline.reporting.scores import Scores, model_name, read_scores
from biomass_pipeline.reporting.sections import (
    Alarm,
    alarm_section,
    protocols_section,
    scatter_section,
    trust_section,
    tuning_section,
)
from biomass_pipeline.reporting.table import MAX_ROWS, count, share, text_table


@dataclass(frozen=True)
class ReportInputs:
    """All that the page shows.

    Attributes:
        config: The configuration of the run.
        oof: Out-of-fold predictions, tidy, as `biomass_pipeline.evaluation.pool_predictions` gives
            them.
        metrics: What `biomass_pipeline.evaluation.evaluate` found, as in `metrics.json`.
        manifest: One row a photo: `path, status, reason, warning, labelled` and more.
        label_warnings: What was odd about the labels.
        fingerprints: What identifies the results, by name.
        versions: The software, by package.
        notes: What a reader must know before anything else, such as an untrained network.
        protocols: Other ways to hold photos out, as in `protocols.json`; None if they have not run.
        tuning: What a search of settings found, as in `tuning.json`; None if there was none.
        alarms: What was looked at for leaks.
        labels: One row a photo: `image_id`, the targets, and what else is known of it; None: only
            the predictions are shown.
        album: The photos' small pictures and what is wrong with them.
    """

    config: Config
    oof: pd.DataFrame
    metrics: Mapping[str, Any]
    manifest: pd.DataFrame
    label_warnings: Sequence[str]
    fingerprints: Mapping[str, str]
    versions: Mapping[str, str]
    notes: Sequence[str] = ()
    protocols: Mapping[str, Any] | None = None
    tuning: Mapping[str, Any] | None = None
    alarms: Sequence[Alarm] = ()
    labels: pd.DataFrame | None = None
    album: Album = field(default_factory=Album)


def render_report(inputs: ReportInputs) -> str:
    """Render the page: one self-contained HTML file, the same text for the same inputs.

    Raises:
        UndefinedScoreError: A prediction is not a finite number.
    """
    scores = read_scores(inputs.metrics, data=inputs.config.data)
    photos = summarize_photos(inputs.manifest)
    data, model = inputs.config.data, scores.headline or "mil"
    page = _template().render(
        **_summary(inputs, scores, photos),
        **_results(inputs, scores),
        **trust_section(inputs.metrics, inputs.oof, data=data, model=model),
        **protocols_section(inputs.protocols, model=model),
        **tuning_section(inputs.tuning),
        **alarm_section(inputs.alarms),
        **_circumstances(inputs, photos),
        **explorer_section(
            inputs.oof, inputs.labels, data=data, scores=scores, album=inputs.album
        ),
    )
    # A file's name may hold bytes that are no text; the page shows them as escapes.
    return page.encode("utf-8", "backslashreplace").decode("utf-8")


def _template() -> jinja2.Template:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html.j2")


def _summary(inputs: ReportInputs, scores: Scores, photos: PhotoSummary) -> dict[str, object]:
    config = inputs.config
    facts = [
        ("Predicts", model_name(scores.headline or "-")),
        ("Photos scored", count(scores.n_images)),
        (unseen_groups(config.data).capitalize(), count(scores.n_groups)),
        ("Folds", str(inputs.oof["fold"].nunique())),
        ("Quarantined", count(photos.n_quarantined)),
        ("Backbone", config.backbone.name),
        ("Aggregator", config.training.aggregator.replace("_", " ")),
    ]
    return {
        "name": config.name,
        "headline": headline(scores, data=config.data),
        "verdicts": verdicts(scores, data=config.data),
        "notes": list(inputs.notes),
        "facts": facts,
    }


def _results(inputs: ReportInputs, scores: Scores) -> dict[str, object]:
    data = inputs.config.data
    return {
        "bars": global_bars(scores),
        "level": share(scores.level) if scores.level else "",
        "explanation": _explanation(scores, data),
        "targets": target_table(scores, data=data),
        "breakdowns": [(f"By {each.title}", breakdown_table(each)) for each in scores.breakdowns],
        "choices": choice_table(scores),
        "figures": scatter_section(inputs.oof, scores, data=data),
        "nominal": share(inputs.config.evaluation.interval_level),
        "intervals": coverage_table(scores, data=data),
    }


def _circumstances(inputs: ReportInputs, photos: PhotoSummary) -> dict[str, object]:
    warnings = list(inputs.label_warnings)
    configuration = yaml.safe_dump(
        inputs.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True
    )
    return {
        "photos": photos,
        "quarantined": _quarantined(photos),
        "unlabelled": _unlabelled(photos),
        "label_warnings": warnings[:MAX_ROWS],
        "label_warnings_left_out": max(len(warnings) - MAX_ROWS, 0),
        "configuration": configuration,
        "versions": text_table(
            "Software that made this page", ["Package", "Version"], list(inputs.versions.items())
        ),
        "fingerprints": text_table(
            "What identifies the results", ["Of", "Digits"], list(inputs.fingerprints.items())
        ),
        "package_version": __version__,
    }


def _explanation(scores: Scores, data: DataConfig) -> str:
    if len(data.targets) == 1:
        meaning = "R² is 1 for perfect predictions and 0 for always guessing the mean."
    else:
        weights = ", ".join(f"{target.name} {target.weight:g}" for target in data.targets)
        meaning = (
            f"R² is 1 for perfect predictions. The global score pools all targets around one "
            f"mean, with weights ({weights}), so guessing each target's own mean does not score 0: "
            f"read every score beside that floor."
        )
    unit = unseen_groups(data)
    return meaning + (f" Intervals resample whole {unit}." if scores.level else "")


def _quarantined(photos: PhotoSummary) -> str:
    n = photos.n_quarantined
    what = "photo or label" if n == 1 else "photos and labels"
    return f"{count(n)} {what} could not be used and took no part in training or scores."


def _unlabelled(photos: PhotoSummary) -> str:
    if not photos.n_unlabelled:
        return f"All {count(photos.n_readable)} readable photos have labels."
    return (
        f"{count(photos.n_unlabelled)} of {count(photos.n_readable)} "
        f"readable photos have no label: they are not part of any score."
    )
