"""`biomass` alone: where you are and what to do next, in a second, without loading the graph."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from biomass_pipeline.cli.terminal import open_console, say
from biomass_pipeline.cli.trace import Trace, changes, last_trace, look_at, trace_of
from biomass_pipeline.config import DEFAULT_FILE, DataConfig
from biomass_pipeline.project import Project

Next = tuple[tuple[str, str], ...]

_START: Next = (
    ("biomass init --images FOLDER --labels FILE", "for photos of your own"),
    ("biomass demo", "for generated ones, everything in a few minutes"),
)
_FIRST: Next = (
    ("biomass doctor", "what is wrong, if anything"),
    ("biomass run", "everything, from photos to the report"),
)
_AGAIN: Next = (
    ("biomass run", "what is stale, and nothing else"),
    ("biomass status", "what that is and why, without running it"),
)
_GO_ON: Next = (
    ("biomass run", "goes on from what is finished"),
    ("biomass status --watch", "if one is at work now: how far it is"),
)
_UNSURE: Next = (
    ("biomass status", "whether anything is stale, and why"),
    ("biomass run", "what is stale, and nothing else"),
)
_DONE: Next = (
    ("biomass predict PHOTOS -o out.csv", "photos that nobody weighed"),
    ("biomass validate", "new places, later dates: the harder questions"),
    ("biomass export model -o bundle/", "the models, to carry away"),
    ("biomass status", "looks closer: code, packages, deleted files"),
)


@dataclass(frozen=True)
class Situation:
    """Where a project is.

    Attributes:
        state: `no project, never run, unfinished, stale, unknown` or `current`.
        told: The sentence that says so.
        project: Its name; None without one.
        configuration: Its file.
        root: Where its artefacts are.
        score: `model, r2, floor, n_images, n_groups` of the headline; None before there is one.
        report: The page; None before there is one.
        changes: What changed since the last complete run.
        n_quarantined: What that run left out; None if unknown.
        next: Commands that make sense now, each with what for.
    """

    state: str
    told: str
    next: Next
    project: str | None = None
    configuration: str | None = None
    root: str | None = None
    score: dict[str, Any] | None = None
    report: str | None = None
    changes: tuple[str, ...] = ()
    n_quarantined: int | None = None


def orient(*, as_json: bool) -> int:
    """Print where the user is and what to do next.

    Returns:
        0; being nowhere yet is no failure.

    Raises:
        BiomassError: The configuration cannot be read.
    """
    found = situation(Project.open())
    if as_json:
        told = asdict(found) | {
            "next": [{"command": command, "what": what} for command, what in found.next]
        }
        typer.echo(json.dumps(told))
    else:
        _print(open_console(), found)
    return 0


def situation(project: Project) -> Situation:
    """Where a project is, as far as files tell."""
    if project.file is None and project.config.data == DataConfig():
        told = f"There is no project here: no {DEFAULT_FILE} in {Path.cwd()}."
        return Situation("no project", told, _START)
    layout = project.layout
    known = Situation(
        "never run",
        _never_run(project),
        _FIRST,
        project=project.config.name,
        configuration=None if project.file is None else str(project.file),
        root=str(layout.root),
    )
    if not layout.table("image_manifest").exists():
        return known
    if not layout.metrics.exists():
        told = "A run was begun and is not finished: there is no score yet."
        return replace(known, state="unfinished", told=told, next=_GO_ON)
    return _scored(
        replace(known, score=_score(layout.metrics), report=_if_there(layout.report)), project
    )


def _scored(known: Situation, project: Project) -> Situation:
    before = last_trace(project)
    now = trace_of(project, n_quarantined=0)
    if before is None or before.scores_ns != now.scores_ns:
        told = "Whether the scores are up to date cannot be told at a glance."
        return replace(known, state="unknown", told=told, next=_UNSURE)
    moment = _local(before)
    known = replace(known, n_quarantined=before.n_quarantined, changes=tuple(changes(before, now)))
    if known.changes:
        told = f"Changed since everything was up to date, {moment}:"
        return replace(known, state="stale", told=told, next=_AGAIN)
    return replace(known, state="current", told=_current(before, moment), next=_DONE)


def _never_run(project: Project) -> str:
    photos = look_at(project.config.data.images, base=project.base)
    where = project.config.data.images
    if photos is None:
        return f"Nothing was run yet. The photos are at {where}."
    return f"Nothing was run yet. There are {photos.n_files} files in {where}."


def _current(before: Trace, moment: str) -> str:
    unseen = [what for what in ("photos", "labels") if getattr(before, what) is None]
    but = f" The {' and '.join(unseen)} are elsewhere, and were not looked at." if unseen else ""
    return f"Up to date: nothing changed since the last complete run, {moment}.{but}"


def _score(metrics: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(metrics.read_text(encoding="utf-8"))
        headline = found["headline_model"]
        model = found["models"][headline]
        return {
            "model": headline,
            "r2": model["weighted_r2"],
            "floor": model.get("floor_r2"),
            "n_images": found["n_images"],
            "n_groups": found["n_groups"],
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _if_there(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _local(trace: Trace) -> str:
    return f"{datetime.fromisoformat(trace.moment).astimezone():%Y-%m-%d %H:%M}"


def _print(console: Console, found: Situation) -> None:
    width = console.width if console.is_terminal else 10**6
    for line in _lines(found):
        say(console, line)
    console.print("\nNext:", style="bold")
    longest = max(len(command) for command, _ in found.next)
    beside = longest + max(len(what) for _, what in found.next) + 6 <= width
    for command, what in found.next:
        if beside:
            console.print(f"  [cyan]{command:<{longest}}[/]  [dim]{what}[/]")
        else:
            console.print(f"  {command}", style="cyan", markup=False)
            console.print(f"    {what}", style="dim", markup=False)


def _lines(found: Situation) -> Iterator[str]:
    if found.project is not None:
        yield f"{found.project}: {found.configuration or 'from the environment'}, in {found.root}"
    if found.score is not None:
        yield _score_line(found.score)
    if found.report is not None:
        yield f"Report: {found.report}"
    if found.n_quarantined:
        yield f"Quarantined, so never trained on: {found.n_quarantined}; the report lists them."
    yield found.told
    yield from (f"  {change}" for change in found.changes)


def _score_line(score: dict[str, Any]) -> str:
    floor = "" if score["floor"] is None else f"; predicting the mean has {score['floor']:.3f}"
    value = "undefined" if score["r2"] is None else f"{score['r2']:.3f}"
    return (
        f"Global R2 {value} by {score['model']} on {score['n_images']} photos of "
        f"{score['n_groups']} groups, each held out{floor}."
    )
