"""`run`, `demo` and `report`: the same assets as the UI, in this process, with a progress bar."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from biomass_pipeline.assets import Reporter
from biomass_pipeline.evaluation import score_table
from biomass_pipeline.features import Progress, fetch_weights
from biomass_pipeline.orchestration import (
    Graph,
    Step,
    build_definitions,
    build_resources,
    open_instance,
    progress_line,
)
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureFolder
from biomass_pipeline.synthetic import SyntheticSpec, write_photos

_DEMO = Path("data/demo")
_QUARANTINED = 3
_PLAIN_EVERY_S = 10.0


@dataclass
class TerminalReporter:
    """Extraction as a bar on a terminal, and as a line now and then elsewhere."""

    console: Console
    n_embedded: int = 0

    def extraction(self, fold: int) -> Callable[[Progress], None]:
        """A callback for one fold's extraction."""
        show = self._bar(fold) if self.console.is_terminal else self._lines(fold)

        def report(progress: Progress) -> None:
            self.n_embedded += 1
            show(progress)

        return report

    def _bar(self, fold: int) -> Callable[[Progress], None]:
        bars = Bars(
            TextColumn(f"  fold {fold}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("photos, {task.fields[rate]:.0f} tiles/s,"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        task = bars.add_task("extraction", total=None, rate=0.0)
        started_s = time.monotonic()

        def report(progress: Progress) -> None:
            bars.start()
            rate = progress.n_tiles / max(time.monotonic() - started_s, 1e-9)
            bars.update(task, completed=progress.n_photos, total=progress.total_photos, rate=rate)
            if progress.n_photos == progress.total_photos:
                bars.stop()

        return report

    def _lines(self, fold: int) -> Callable[[Progress], None]:
        started_s = time.monotonic()
        last_s = [started_s]

        def report(progress: Progress) -> None:
            now_s = time.monotonic()
            if progress.n_photos == progress.total_photos or now_s - last_s[0] >= _PLAIN_EVERY_S:
                last_s[0] = now_s
                self.console.print(f"  fold {fold}: {progress_line(progress, now_s - started_s)}")

        return report


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
    project = Project.open(config, overrides=overrides)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    started_s = time.monotonic()
    reporter = TerminalReporter(console)
    with opened(project, reporter) as graph:
        graph.observe()
        ran = graph.run(graph.select(select, fold=fold), on_step=_announcer(console))
        if not any(not verdict.fresh for verdict in graph.verdicts(graph.select())):
            _prune(project, graph)
    summary = {
        "materialized": [str(node) for node in ran],
        "photos_embedded": reporter.n_embedded,
        "seconds": round(time.monotonic() - started_s, 1),
        **_outcome(project),
    }
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _print_summary(console, project, summary)
    return _QUARANTINED if summary["quarantined"] else 0


def run_demo(overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Write the generated photos once, then run everything on them."""
    write_photos(_DEMO, spec=SyntheticSpec())
    file = _DEMO / "biomass.yaml"
    file.write_text(_DEMO_CONFIGURATION, encoding="utf-8")
    return run_stale(file, overrides, as_json=as_json)


def run_report(config: Path | None, overrides: tuple[str, ...]) -> int:
    """Bring the report and what it needs up to date."""
    return run_stale(config, overrides, select="+report")


@contextmanager
def opened(project: Project, reporter: Reporter) -> Iterator[Graph]:
    """The project's graph with its own Dagster storage."""
    # Before the graph: the hash of the weights is part of what decides it.
    fetch_weights(project.config.backbone, base=project.base)
    resources = build_resources(project, reporter=reporter)
    with open_instance(project.layout) as instance:
        yield Graph(build_definitions(project, resources=resources), instance)


def _announcer(console: Console) -> Callable[[Step], None]:
    def announce(step: Step) -> None:
        place = "" if step.fold is None else f" fold {step.fold}"
        by_reason: dict[str, list[str]] = {}
        for verdict in step.verdicts:
            by_reason.setdefault("; ".join(verdict.reasons), []).append(verdict.node.asset)
        for reason, assets in by_reason.items():
            console.print(f"{step.job}{place}: {', '.join(assets)} ({reason})", markup=False)

    return announce


def _prune(project: Project, graph: Graph) -> None:
    handles = (graph.defs.resources or {})["feature_handles"]
    FeatureFolder(project.layout).prune(handles.fingerprint)


def _outcome(project: Project) -> dict[str, Any]:
    manifest = _table(project.layout.table("image_manifest"))
    metrics = project.layout.metrics
    return {
        "quarantined": int((manifest["status"] == "quarantined").sum()),
        "report": str(project.layout.report),
        "metrics": json.loads(metrics.read_text(encoding="utf-8")) if metrics.exists() else None,
    }


def _table(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.exists() else pd.DataFrame({"status": []})


def _print_summary(console: Console, project: Project, summary: dict[str, Any]) -> None:
    count = len(summary["materialized"])
    done = f"{count} materializations" if count else "Everything is up to date: nothing ran"
    embedded = f"{summary['photos_embedded']} photos embedded"
    console.print(f"{done}, {embedded}, {summary['seconds']} s.")
    if summary["metrics"]:
        print_scores(console, summary["metrics"])
        console.print(f"Report: {summary['report']}", markup=False)
    if project.config.backbone.random_weights:
        console.print("RANDOM WEIGHTS: an untrained network, for tests only.", style="yellow")
    if summary["quarantined"]:
        console.print(
            f"{summary['quarantined']} photos or labels are quarantined; the report says why.",
            style="yellow",
        )


def print_scores(console: Console, metrics: dict[str, Any]) -> None:
    """The score table: a row a score, a column a model, floor first."""
    scores = score_table(metrics).set_index("model").T
    table = Table("R2", title="Out of fold, groups held out")
    for model in scores.columns:
        table.add_column(str(model), justify="right")
    for name, row in scores.iterrows():
        table.add_row(str(name), *(f"{value:.3f}" for value in row))
    console.print(table)


_DEMO_CONFIGURATION = "# Written by `biomass demo`: generated photos, weights-free backbone.\n" + (
    yaml.safe_dump(
        {
            "name": "demo",
            "root": ".",
            "data": {"images": "photos", "labels": "train.csv"},
            "tiling": {"tile_px": 250, "stride_px": 200},
        },
        sort_keys=False,
    )
)
