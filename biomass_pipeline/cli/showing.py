"""`status` and `cache`: what is stale and why, and what the cache files hold."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from biomass_pipeline.cli.running import opened
from biomass_pipeline.errors import BiomassError, MissingTableError
from biomass_pipeline.orchestration import LogReporter, Verdict, blueprint_of
from biomass_pipeline.orchestration.jobs import STAGES
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureFolder, FoldContents

_FAILED = 1


def show_status(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Print the state of every asset and fold."""
    project = Project.open(config, overrides=overrides)
    console = Console(highlight=False, soft_wrap=True)
    with opened(project, LogReporter()) as graph:
        graph.observe()
        verdicts = graph.verdicts(graph.select())
    if as_json:
        typer.echo(json.dumps([_row(verdict) for verdict in verdicts]))
        return 0
    stale = [verdict for verdict in verdicts if not verdict.fresh]
    if not stale:
        console.print(f"Everything is up to date: {len(verdicts)} of {len(verdicts)}.")
        return 0
    table = Table("asset", "state", "why", title=f"{project.config.name}: what would run")
    for verdict in stale:
        state = "missing" if verdict.missing else "stale"
        table.add_row(str(verdict.node), state, "; ".join(verdict.reasons))
    console.print(table)
    fresh = len(verdicts) - len(stale)
    console.print(f"{fresh} of {len(verdicts)} are up to date. {_after(stale)}")
    return 0


def show_cache(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Print one row a fold file."""
    project = Project.open(config, overrides=overrides)
    current = blueprint_of(project).extraction
    rows = [_cache_row(path, current) for path in _cache_files(project)]
    if as_json:
        typer.echo(json.dumps(rows))
        return 0
    console = Console(highlight=False, soft_wrap=True)
    if not rows:
        console.print("There is no feature cache yet. Run `biomass run`.")
        return 0
    table = Table(*rows[0], title=f"{project.config.name}: feature cache")
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)
    return 0


def verify_cache(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Read every fold's file whole and hold it against the fold's tiles.

    Returns:
        0, or 1 when a file is missing, damaged or holds other photos.
    """
    project = Project.open(config, overrides=overrides)
    problems = {
        str(fold): problem
        for fold in range(project.config.folds.n_folds)
        if (problem := _fold_problem(project, fold)) is not None
    }
    if as_json:
        typer.echo(json.dumps({"folds": project.config.folds.n_folds, "problems": problems}))
    else:
        for fold in range(project.config.folds.n_folds):
            typer.echo(f"fold {fold}: {problems.get(str(fold), 'whole')}")
    return _FAILED if problems else 0


def _fold_problem(project: Project, fold: int) -> str | None:
    path = project.layout.partitioned_table("patch_index", fold)
    try:
        if not path.exists():
            raise MissingTableError("patch_index", path)
        cache = FeatureFolder(project.layout).open(fold, blueprint_of(project).extraction)
        cache.check_whole()
        cache.check_contents(FoldContents.from_patch_index(pd.read_parquet(path)))
    except BiomassError as error:
        return str(error)
    return None


def _cache_files(project: Project) -> list[Path]:
    return sorted((project.layout.root / "features").glob("*/fold_*"))


def _cache_row(path: Path, current: str) -> dict[str, Any]:
    from biomass_pipeline.store import describe  # noqa: PLC0415  # opens HDF5

    fingerprint = path.parent.name
    facts = describe(path, fingerprint)
    return {
        "extraction": fingerprint,
        "file": path.name,
        "current": fingerprint == current and path.suffix == ".h5",
        **facts,
        "megabytes": round(path.stat().st_size / 1e6, 1),
    }


def _row(verdict: Verdict) -> dict[str, Any]:
    state = "missing" if verdict.missing else ("fresh" if verdict.fresh else "stale")
    node = verdict.node
    return {"asset": node.asset, "fold": node.fold, "state": state, "why": list(verdict.reasons)}


def _after(stale: Sequence[Verdict]) -> str:
    """What the stale ones may stale in turn, in a sentence."""
    first = next(name for name, assets in STAGES.items() if stale[0].node.asset in assets)
    if first == "evaluate":
        return ""
    return "What comes after them runs too if their content changes."
