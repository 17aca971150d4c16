"""`run`, `demo` and `report`: the same assets as the UI, in this process."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import typer
import yaml
from rich.console import Console

from biomass_pipeline.cli.illustrating import write_figures
from biomass_pipeline.cli.opening import open_project, opened
from biomass_pipeline.cli.progress import TerminalReporter, announcer, failure_announcer
from biomass_pipeline.cli.terminal import open_console, say, show_table
from biomass_pipeline.cli.trace import keep_trace
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.evaluation import score_table
from biomass_pipeline.manifest import with_refusals
from biomass_pipeline.orchestration import Graph, exclusive, feature_store, others_at_work
from biomass_pipeline.plain import counted
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureFolder
from biomass_pipeline.synthetic import SyntheticSpec, write_photos

DEMO_FOLDER = Path("data/demo")
DEMO_SPEC = SyntheticSpec()
_QUARANTINED = 3
_COMPLETE = (0, _QUARANTINED)
_SHOWN = 10


def run_stale(
    config: Path | None,
    overrides: tuple[str, ...],
    *,
    select: str | None = None,
    fold: int | None = None,
    as_json: bool = False,
) -> int:
    """Materialize what is stale or missing, and print the scores.

    Returns:
        0, or 3 when something is quarantined.
    """
    project = open_project(config, overrides)
    console = open_console(stderr=as_json)
    started_s = time.monotonic()
    reporter = TerminalReporter(console)
    with (
        closing(reporter),
        opened(project, reporter) as graph,
        exclusive(project.layout, graph.instance),
    ):
        for sentence in others_at_work(graph.instance):
            say(console, sentence, style="yellow")
        wanted = graph.select(select, fold=fold)
        graph.observe()
        ran = graph.run(
            wanted,
            on_step=announcer(console, before=reporter.close),
            on_failure=failure_announcer(console),
        )
        extraction = _extraction(graph)
        complete = _is_complete(graph)
        if complete:
            FeatureFolder(project.layout).prune(extraction)
    took_s = round(time.monotonic() - started_s, 1)
    done = {"materialized": [str(node) for node in ran], "photos_embedded": reporter.n_embedded}
    summary = {**done, "seconds": took_s, **_outcome(project, extraction)}
    if complete:
        with suppress(OSError):  # a memory aid only
            keep_trace(project, n_quarantined=summary["quarantined"])
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _print_summary(console, project, summary)
    return _QUARANTINED if summary["quarantined"] else 0


def run_demo(overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Write the generated photos once, then run everything on them."""
    write_photos(DEMO_FOLDER, spec=DEMO_SPEC)
    file = DEMO_FOLDER / "biomass.yaml"
    if not file.exists():
        file.write_text(_DEMO_CONFIGURATION, encoding="utf-8")
    return run_stale(file, overrides, as_json=as_json)


def run_report(
    config: Path | None, overrides: tuple[str, ...], *, figures: bool, as_json: bool
) -> int:
    """Bring the report and what it needs up to date; for a paper, also its figures as vectors."""
    code = run_stale(config, overrides, as_json=as_json)
    if figures and code in _COMPLETE:
        files = write_figures(open_project(config, overrides))
        console = open_console(stderr=as_json)
        console.print(f"Figures: {len(files)} in {files[0].parent}", markup=False)
    return code


def _is_complete(graph: Graph) -> bool:
    return all(verdict.fresh for verdict in graph.verdicts(graph.select()))


def _extraction(graph: Graph) -> str:
    fingerprint: str = (graph.defs.resources or {})["feature_handles"].fingerprint
    return fingerprint


def _outcome(project: Project, extraction: str) -> dict[str, Any]:
    quarantine = _quarantine(project, extraction)
    metrics = project.layout.metrics
    return {
        "quarantined": len(quarantine),
        "quarantine": quarantine,
        "unlabelled": _predicted(project),
        "report": str(project.layout.report),
        "metrics": json.loads(metrics.read_text(encoding="utf-8")) if metrics.exists() else None,
    }


def _predicted(project: Project) -> dict[str, Any]:
    """How many photos without labels are predicted, and where; no file before they are."""
    path = project.layout.table("predictions")
    if not path.exists():
        return {"photos": 0, "predictions": None, "submission": None}
    photos = pd.read_parquet(path, columns=["image_id"])["image_id"].nunique()
    submission = project.layout.submission
    return {
        "photos": int(photos),
        "predictions": str(path),
        "submission": str(submission) if submission.exists() else None,
    }


def _quarantine(project: Project, extraction: str) -> list[dict[str, str]]:
    """Path and reason of each photo or label that is left out, at the door or in extraction."""
    manifest = project.layout.table("image_manifest")
    if not manifest.exists():
        return []
    table = pd.read_parquet(manifest, columns=["image_id", "path", "status", "reason"])
    table = with_refusals(table, dict(_refused(project, extraction)))
    left_out = table[table["status"] == "quarantined"]
    return [
        {"path": str(path), "reason": str(reason)}
        for path, reason in zip(left_out["path"], left_out["reason"], strict=True)
    ]


def _refused(project: Project, extraction: str) -> Iterator[tuple[str, str]]:
    """Id and reason of what could not be embedded; a fold that cannot be read says nothing here."""
    features = feature_store(project)
    for fold in (*range(project.config.folds.n_folds), None):
        with suppress(BiomassError):
            for photo in features.open(fold, extraction).quarantined():
                yield photo.image_id, photo.reason


def _print_summary(console: Console, project: Project, summary: dict[str, Any]) -> None:
    count = len(summary["materialized"])
    done = counted(count, "materialization") if count else "Everything is up to date: nothing ran"
    embedded = f"{counted(summary['photos_embedded'], 'photo')} embedded"
    say(console, f"{done}, {embedded}, {summary['seconds']} s.")
    if summary["metrics"]:
        print_scores(console, summary["metrics"])
        say(console, f"Report: {summary['report']}")
    if summary["unlabelled"]["photos"]:
        found = summary["unlabelled"]
        say(
            console, f"Photos without labels: {found['photos']} predicted in {found['predictions']}"
        )
    if project.config.backbone.random_weights:
        say(console, "RANDOM WEIGHTS: an untrained network, for tests only.", style="yellow")
    if summary["quarantine"]:
        _print_quarantine(console, summary["quarantine"])


def _print_quarantine(console: Console, quarantine: list[dict[str, str]]) -> None:
    say(console, f"Quarantined, so never trained on: {len(quarantine)}.", style="yellow")
    for row in quarantine[:_SHOWN]:
        say(console, f"  {row['path']}: {row['reason']}")
    if (rest := len(quarantine) - _SHOWN) > 0:
        say(console, f"  and {rest} more, listed in the report.")


def print_scores(console: Console, metrics: dict[str, Any]) -> None:
    """The score table: a row a score, a column a model, floor first."""
    scores = score_table(metrics).set_index("model").T
    show_table(
        console,
        "R2 out of fold, groups held out",
        columns=["score", *map(str, scores.columns)],
        rows=[
            [str(name), *("-" if pd.isna(value) else f"{value:.3f}" for value in row)]
            for name, row in scores.iterrows()
        ],
        numbers=True,
    )


_DEMO_CONFIGURATION = "# Written by `biomass demo`: generated photos, weights-free backbone.\n" + (
    yaml.safe_dump(
        {
            "name": "demo",
            "root": ".",
            "data": {"images": "photos", "labels": "train.csv"},
            "tiling": {"tile_px": 250, "stride_px": 200},
            "training": {"n_seeds": 1},
        },
        sort_keys=False,
    )
)
