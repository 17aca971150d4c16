"""The page people read: one file with scores, figures, what was left out, and how it was made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
import pandas as pd
import yaml

from biomass_pipeline import __version__
from biomass_pipeline.config import Config, DataConfig, presentable
from biomass_pipeline.plain import markdown_cell, markdown_sentence
from biomass_pipeline.reporting.album import Album
from biomass_pipeline.reporting.audit import audit_data
from biomass_pipeline.reporting.cards import data_card, model_card
from biomass_pipeline.reporting.explorer import explorer_section
from biomass_pipeline.reporting.headline import headline, unseen_groups, verdicts
from biomass_pipeline.reporting.making import StageRecord, making_sentence, stage_table
from biomass_pipeline.reporting.photos import PhotoSummary, summarize_photos
from biomass_pipeline.reporting.pictures import Picture
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
    residual_section,
    scatter_section,
    trust_section,
    tuning_section,
    worst_section,
)
from biomass_pipeline.reporting.table import MAX_ROWS, count, share, text_table
from biomass_pipeline.reporting.worst_maps import WorstMaps


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
        maps: Tile maps of the photos predicted worst.
        stages: What the making of each stage took.
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
    maps: WorstMaps = field(default_factory=WorstMaps)
    stages: Sequence[StageRecord] = ()


@dataclass(frozen=True)
class Report:
    """What goes into the report's folder.

    Attributes:
        page: The page people read.
        texts: The same for other readers, by file name: Markdown, model card, data card.
        figures: Each figure.
    """

    page: str
    texts: Mapping[str, str] = field(default_factory=dict)
    figures: tuple[Picture, ...] = ()

    def beside(self) -> dict[str, bytes]:
        """Every file but the page, by its path within the folder."""
        pictures = {f"figures/{figure.slug}.png": figure.png for figure in self.figures}
        return {name: text.encode() for name, text in self.texts.items()} | pictures


def make_report(inputs: ReportInputs) -> Report:
    """Make the page and what lies beside it; the same inputs give the same files.

    Raises:
        UndefinedScoreError: A prediction is not a finite number.
    """
    shown, pictures = _shown(inputs)
    return Report(
        page=_page(inputs, shown, pictures),
        texts={
            "report.md": _rendered("report.md.j2", shown, escape=False),
            **_cards(inputs, shown),
        },
        figures=tuple(pictures),
    )


def render_report(inputs: ReportInputs) -> str:
    """Render the page alone: one self-contained HTML file.

    Raises:
        UndefinedScoreError: A prediction is not a finite number.
    """
    return _page(inputs, *_shown(inputs))


def report_figures(inputs: ReportInputs) -> list[Picture]:
    """Draw the figures alone."""
    return _shown(inputs)[1]


def _shown(inputs: ReportInputs) -> tuple[dict[str, Any], list[Picture]]:
    """Everything that is said and drawn, by its name in the templates, and all figures."""
    scores = read_scores(inputs.metrics, data=inputs.config.data)
    data, model = inputs.config.data, scores.headline or "mil"
    shown: dict[str, Any] = {
        **_summary(inputs, scores),
        **_results(inputs, scores),
        "residuals": residual_section(inputs.oof, inputs.labels, data=data, model=model),
        **trust_section(inputs.metrics, data=data, model=model),
        **worst_section(inputs.oof, inputs.album, inputs.maps, data=data, model=model),
        **protocols_section(inputs.protocols, model=model),
        **tuning_section(inputs.tuning),
        **alarm_section(inputs.alarms),
        **_circumstances(inputs),
    }
    parts = (shown["trust"], shown["protocols"], shown["tuning"])
    drawn = [*shown["figures"], *shown["residuals"]]
    drawn += [picture for part in parts if part for picture in part["pictures"]]
    return shown, drawn


def _page(inputs: ReportInputs, shown: Mapping[str, Any], pictures: Sequence[Picture]) -> str:
    charts = explorer_section(
        inputs,
        shown["scores"],
        pictures=pictures,
        shown={photo["image_id"] for photo in shown["worst"]},
    )
    return _rendered("report.html.j2", {**shown, **charts}, escape=True)


def _cards(inputs: ReportInputs, shown: Mapping[str, Any]) -> dict[str, str]:
    if inputs.labels is None:
        return {}
    return {
        "model_card.md": model_card(
            inputs.config,
            inputs.metrics,
            headline=shown["headline"],
            notes=inputs.notes,
            fingerprints=inputs.fingerprints,
            alarms=[alarm.sentence for alarm in shown["raised"]],
        ),
        "data_card.md": data_card(
            inputs.config,
            inputs.labels,
            photos=shown["photos"],
            audits=shown["audits"],
            warnings=inputs.label_warnings,
        ),
    }


def _rendered(template: str, shown: Mapping[str, Any], *, escape: bool) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=escape,  # noqa: S701  # Markdown has its own escapes
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = markdown_cell
    environment.filters["said"] = markdown_sentence
    text = environment.get_template(template).render(**shown)
    # A file's name may hold bytes that are no text; the page shows them as escapes.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _summary(inputs: ReportInputs, scores: Scores) -> dict[str, object]:
    config, photos = inputs.config, summarize_photos(inputs.manifest)
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
        "scores": scores,
    }


def _results(inputs: ReportInputs, scores: Scores) -> dict[str, object]:
    data = inputs.config.data
    return {
        "bars": global_bars(scores),
        "level": share(scores.level) if scores.level else "",
        "explanation": _explanation(scores, data),
        "targets": target_table(
            scores, data=data, models=["constant", "ridge", scores.headline or "mil"]
        ),
        "every_target": target_table(scores, data=data),
        "breakdowns": [(f"By {each.title}", breakdown_table(each)) for each in scores.breakdowns],
        "choices": choice_table(scores),
        "figures": scatter_section(inputs.oof, scores, data=data),
        "nominal": share(inputs.config.evaluation.interval_level),
        "intervals": coverage_table(scores, data=data),
    }


def _circumstances(inputs: ReportInputs) -> dict[str, object]:
    warnings, photos = list(inputs.label_warnings), summarize_photos(inputs.manifest)
    configuration = yaml.safe_dump(presentable(inputs.config), sort_keys=False, allow_unicode=True)
    return {
        "photos": photos,
        "quarantined": _quarantined(photos),
        "unlabelled": _unlabelled(photos),
        "label_warnings": warnings[:MAX_ROWS],
        "label_warnings_left_out": max(len(warnings) - MAX_ROWS, 0),
        "audits": audit_data(inputs.manifest, inputs.labels, inputs.album, data=inputs.config.data),
        "stages": stage_table(inputs.stages),
        "making": making_sentence(inputs.stages),
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
