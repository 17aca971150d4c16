"""`status` and `cache`: what is stale and why, and what the cache files hold."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from biomass_pipeline.cli.opening import open_project, opened
from biomass_pipeline.cli.terminal import open_console, show_table
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.orchestration import LogReporter, Verdict, blueprint_of
from biomass_pipeline.store import all_cache_files, describe

_ASK = "Until `biomass validate` or `biomass tune` is run, the report shows the earlier ones."
_AFTER = " What comes after them runs too if their content changes."
_CACHE_COLUMNS = (
    "file",
    "photos",
    "rows",
    "quarantined",
    "width",
    "dtype",
    "MB",
    "backbone",
    "problem",
)


def show_status(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Print the state of every asset and fold, and of what is optional and was made once."""
    project = open_project(config, overrides)
    with opened(project, LogReporter()) as graph:
        graph.observe()
        verdicts, asked_for = graph.verdicts(graph.select()), graph.optional_verdicts()
    if as_json:
        rows = [_row(verdict, optional=False) for verdict in verdicts]
        rows += [_row(verdict, optional=True) for verdict in asked_for]
        typer.echo(json.dumps(rows))
        return 0
    console, name = open_console(), project.config.name
    stale, waiting = (
        [verdict for verdict in some if not verdict.fresh] for some in (verdicts, asked_for)
    )
    if stale:
        _show(console, f"{name}: what would run", stale)
        after = "" if all(verdict.missing for verdict in verdicts) else _AFTER
        console.print(f"{len(verdicts) - len(stale)} of {len(verdicts)} are up to date.{after}")
    else:
        console.print(f"Everything is up to date: {len(verdicts)} of {len(verdicts)}.")
    if waiting:
        _show(console, f"{name}: what runs only when it is asked for", waiting)
        console.print(_ASK)
    return 0


def _show(console: Console, title: str, verdicts: Sequence[Verdict]) -> None:
    show_table(console, title, columns=["asset", "state", "why"], rows=grouped(verdicts))


def grouped(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """Asset, state and reason, with an asset's folds of one reason in one row.

    Args:
        verdicts: Those to show, in the order to show them.
    """
    folds: dict[tuple[str, str, str], list[str]] = {}
    for verdict in verdicts:
        key = (verdict.node.asset, _state(verdict), "; ".join(verdict.reasons))
        members = folds.setdefault(key, [])
        if verdict.node.fold is not None:
            members.append(verdict.node.fold)
    return [
        [f"{asset} [{_named(members)}]" if members else asset, state, why]
        for (asset, state, why), members in folds.items()
    ]


def _named(partitions: Sequence[str]) -> str:
    """Folds as spans; protocols by their keys."""
    if all(name.isdigit() for name in partitions):
        return spans([int(name) for name in partitions])
    return ", ".join(partitions)


def spans(folds: Sequence[int]) -> str:
    """Numbers as a person writes them.

    >>> spans([0, 1, 2, 4])
    '0-2, 4'
    """
    runs: list[list[int]] = []
    for fold in sorted(folds):
        if runs and runs[-1][-1] == fold - 1:
            runs[-1].append(fold)
        else:
            runs.append([fold])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def show_cache(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Print one row a fold file, under one heading an extraction."""
    project = open_project(config, overrides)
    current = blueprint_of(project).extraction
    files = all_cache_files(project.layout.extractions)
    rows = [row for path in files if (row := _cache_row(path, current))]
    if as_json:
        typer.echo(json.dumps(rows))
        return 0
    console = open_console()
    if not rows:
        console.print("There is no feature cache yet. Run `biomass run`.")
        return 0
    for extraction, members in groupby(rows, key=lambda row: str(row["extraction"])):
        state = "the current one" if extraction == current else "of an earlier configuration"
        show_table(
            console,
            f"{project.config.name}: extraction {extraction}, {state}",
            columns=_CACHE_COLUMNS,
            rows=[[str(row.get(name, "")) for name in _CACHE_COLUMNS] for row in members],
        )
    return 0


def _cache_row(path: Path, current: str) -> dict[str, Any]:
    """What is shown of a file; nothing if it vanished since it was found."""
    fingerprint = path.parent.name
    try:
        n_bytes = path.stat().st_size
    except FileNotFoundError:
        return {}
    return {
        "extraction": fingerprint,
        "file": path.name,
        "current": fingerprint == current and path.suffix == ".h5",
        "MB": round(n_bytes / 1e6, 2),
        **_facts(path, fingerprint),
    }


def _facts(path: Path, fingerprint: str) -> dict[str, Any]:
    """What the file says of itself; a damaged one is a row like the others."""
    try:
        return {**describe(path, fingerprint), "problem": ""}
    except BiomassError as error:
        return {"problem": str(error)}


def _row(verdict: Verdict, *, optional: bool) -> dict[str, Any]:
    node = verdict.node
    return {
        "asset": node.asset,
        "fold": node.fold,
        "state": _state(verdict),
        "why": list(verdict.reasons),
        "optional": optional,
    }


def _state(verdict: Verdict) -> str:
    if verdict.missing:
        return "missing"
    return "fresh" if verdict.fresh else "stale"
