"""`diff`: two runs beside each other, what went in and what came out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import typer
from rich.console import Console

from biomass_pipeline.cli.terminal import open_console, say, show_table
from biomass_pipeline.cli.trace import shown
from biomass_pipeline.cli.verbs import nearest
from biomass_pipeline.config import DEFAULT_FILE
from biomass_pipeline.errors import NoRunError, UnknownModelError
from biomass_pipeline.evaluation import ScoredRun, compare_runs
from biomass_pipeline.layout import Layout
from biomass_pipeline.project import Project

_PHOTOS = {
    "added": "photos added",
    "removed": "photos removed",
    "changed_bytes": "photos with other bytes",
    "relabelled": "photos with other labels",
    "other_fold": "photos in another fold",
}
_NAMED = 3


def show_difference(before: Path, after: Path, *, model: str | None, as_json: bool) -> int:
    """Print how two runs differ.

    Args:
        before: A root folder, or the configuration of a project.
        after: The other.
        model: Which model of both; else each run's headline.
        as_json: For a program.

    Returns:
        0, whatever differs.

    Raises:
        NoRunError: There is nothing scored in one of them.
        UnknownModelError: A run has no such model.
        IncomparableRunsError: They share nothing.
    """
    layouts = layout_of(before), layout_of(after)
    runs = _read(layouts[0]), _read(layouts[1])
    models = _model(runs[0], layouts[0], model), _model(runs[1], layouts[1], model)
    found = {
        "before": str(layouts[0].root),
        "after": str(layouts[1].root),
        **compare_runs(*runs, models=models),
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _print(open_console(), found)
    return 0


def layout_of(place: Path) -> Layout:
    """Where the artefacts of a run are: of a root folder, a configuration, or its folder.

    Raises:
        NoRunError: It was not scored.
        BiomassError: The configuration cannot be read.
    """
    layout = Layout(place)
    if not layout.metrics.exists():
        file = place / DEFAULT_FILE if place.is_dir() else place
        if file.is_file():
            layout = Project.open(file, environment={}).layout
    if not layout.metrics.exists() or not layout.table("oof_predictions").exists():
        missing = layout.metrics.relative_to(layout.root)
        raise NoRunError(layout.root, missing)
    return layout


def _read(layout: Layout) -> ScoredRun:
    return ScoredRun(
        metrics=json.loads(layout.metrics.read_text(encoding="utf-8")),
        oof=pd.read_parquet(layout.table("oof_predictions")),
        manifest=pd.read_parquet(layout.table("image_manifest"), columns=["image_id", "sha256"]),
    )


def _model(run: ScoredRun, layout: Layout, wanted: str | None) -> str:
    name = wanted or str(run.metrics["headline_model"])
    if name not in run.models:
        near = nearest(name, run.models)
        raise UnknownModelError(name, run=layout.root, known=run.models, near=near)
    return name


def _print(console: Console, found: Mapping[str, Any]) -> None:
    say(console, f"before: {found['before']}")
    say(console, f"after:  {found['after']}")
    _print_made_of(console, found)
    _print_photos(console, found["photos"])
    _print_scores(console, found)


def _print_made_of(console: Console, found: Mapping[str, Any]) -> None:
    if found["configuration"] is None:
        say(
            console,
            "The configuration behind one of them was not recorded: it was scored by an earlier "
            "version. `biomass run` there scores it anew, without training.",
            style="yellow",
        )
        return
    rows = [
        [row["key"], shown(row["before"]), shown(row["after"])]
        for part in ("configuration", "versions")
        for row in found[part]
    ]
    if not rows:
        console.print("Configuration and versions are the same.")
        return
    show_table(console, "configuration and versions", columns=["key", "before", "after"], rows=rows)


def _print_photos(console: Console, photos: Mapping[str, list[str]]) -> None:
    rows = [
        [words, str(len(photos[kind])), _named(photos[kind])]
        for kind, words in _PHOTOS.items()
        if photos[kind]
    ]
    if rows:
        show_table(console, "photos and labels", columns=["what", "photos", "which"], rows=rows)
    else:
        console.print("Photos, labels and folds are the same.")


def _named(ids: list[str]) -> str:
    rest = len(ids) - _NAMED
    return ", ".join(ids[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _print_scores(console: Console, found: Mapping[str, Any]) -> None:
    paired, models = found["paired"], found["models"]
    show_table(
        console,
        f"R2 on the {paired['n_images']} photos of {paired['n_groups']} groups that are the same",
        columns=["score", f"before ({models['before']})", f"after ({models['after']})", *_COLUMNS],
        rows=list(_score_rows(paired)),
        numbers=True,
    )
    for remark in paired["remarks"]:
        say(console, f"Note: {remark}.", style="yellow")
    say(console, _verdict(paired))


_COLUMNS = ("difference", "95 % interval", "p")


def _score_rows(paired: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, score in {"global R2": paired["global"], **paired["targets"]}.items():
        if score is None:
            yield [name, *("-" for _ in range(2 + len(_COLUMNS)))]
            continue
        sure = score["lower"] is not None
        yield [
            name,
            f"{score['before']:.3f}",
            f"{score['after']:.3f}",
            f"{score['difference']:+.3f}",
            f"{score['lower']:+.3f} to {score['upper']:+.3f}" if sure else "-",
            f"{score['p_value']:.3f}" if sure else "-",
        ]


def _verdict(paired: Mapping[str, Any]) -> str:
    """The interval of the global score in one sentence."""
    score = paired["global"]
    if score is None or score["lower"] is None:
        return "There is no interval: it takes labels with spread, and two groups."
    if score["difference"] == score["lower"] == score["upper"]:
        return "They predict these photos alike."
    if score["lower"] <= 0 <= score["upper"]:
        return "The difference is within what the choice of groups alone would make."
    better = "better" if score["difference"] > 0 else "worse"
    return f"After is {better}, by more than the choice of groups alone would make."
