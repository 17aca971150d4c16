"""`cache verify` and `cache prune`: what is damaged, mended; and what nothing needs, deleted."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from biomass_pipeline.audit import FoldState, Mend, fold_states
from biomass_pipeline.cli.opening import open_project, opened
from biomass_pipeline.cli.progress import TerminalReporter, announcer
from biomass_pipeline.cli.terminal import open_console, show_table
from biomass_pipeline.errors import MissingCacheError
from biomass_pipeline.layout import INFERENCE
from biomass_pipeline.orchestration import Graph, blueprint_of, exclusive
from biomass_pipeline.project import Project
from biomass_pipeline.store import (
    FeatureFolder,
    Leftover,
    all_cache_files,
    delete,
    leftovers,
)

_FAILED, _QUARANTINED = 1, 3
_MB = 1e6


def verify_cache(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Read every fold's file whole; hold it against its checksums and the fold's tiles.

    Returns:
        0; 1 when a file is missing, damaged or holds other photos; 3 when photos are quarantined.
    """
    project = open_project(config, overrides)
    states = _states(project, blueprint_of(project).extraction)
    if as_json:
        typer.echo(json.dumps(_as_json(states)))
    else:
        _print(states)
    return _exit_code(states)


def repair_cache(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Verify, set damaged files aside, and make their folds again: intact rows are copied.

    Folds without a file, and those with quarantined photos, are run again too. Whatever else is
    wrong needs more than the cache: it is told, and the file left alone.

    Returns:
        As `verify_cache`, of what is there in the end.
    """
    project = open_project(config, overrides)
    extraction = blueprint_of(project).extraction
    console = open_console(stderr=as_json)
    reporter = TerminalReporter(console)
    with opened(project, reporter) as graph, exclusive(project.layout, graph.instance):
        before = [s for s in _states(project, extraction) if s.mend is not Mend.NONE]
        try:
            for state in before:
                console.print(str(state), markup=False)
                _mend(project, graph, state, extraction, console)
        finally:
            reporter.close()
    broken = [_key(state.fold) for state in before if state.problem]
    tried = [_key(state.fold) for state in before if not state.problem]
    states = _states(project, extraction)
    embedded = {"photos_embedded": reporter.n_embedded, "repaired": broken, "tried_again": tried}
    if as_json:
        typer.echo(json.dumps(_as_json(states) | embedded))
    else:
        _print(states)
        done = f"Files made again: {len(before)}" if before else "Nothing to repair"
        console.print(f"{done}; photos embedded: {reporter.n_embedded}.")
    return _exit_code(states)


def prune_cache(
    config: Path | None, overrides: tuple[str, ...], *, yes: bool, as_json: bool
) -> int:
    """List what nothing of the current configuration needs, ask, and delete it.

    Returns:
        0, or 1 when something could not be deleted because it is being written.
    """
    project = open_project(config, overrides)
    found = leftovers(
        project.layout.extractions,
        current=blueprint_of(project).extraction,
        n_folds=project.config.folds.n_folds,
    )
    if not as_json:
        _print_leftovers(project, found)
    agreed = bool(found) and (yes or (not as_json and typer.confirm("Delete them?")))
    gone = delete(found) if agreed else []
    if as_json:
        listed = [
            {"file": str(file.path), "bytes": file.n_bytes, "why": file.why, "gone": file in gone}
            for file in found
        ]
        typer.echo(json.dumps({"files": listed, "freed_bytes": _size(gone)}))
    elif found:
        typer.echo(f"Deleted {len(gone)} of {len(found)} files, {_size(gone) / _MB:.1f} MB.")
    return _FAILED if agreed and len(gone) < len(found) else 0


def _states(project: Project, extraction: str) -> list[FoldState]:
    elsewhere = project.config.cache.read_from is not None
    if not elsewhere and not all_cache_files(project.layout.extractions):
        raise MissingCacheError(project.layout.features(extraction))
    return fold_states(project, extraction)


def _mend(
    project: Project, graph: Graph, state: FoldState, extraction: str, console: Console
) -> None:
    """Make one fold again; its damaged file goes just before, so that an error costs no other."""
    folder = FeatureFolder(project.layout)
    asset = "inference_features" if state.fold is None else "feature_cache"
    wanted = None if state.fold is None else str(state.fold)
    nodes = [node for node in graph.select(asset) if node.fold == wanted]
    if state.mend is Mend.SET_ASIDE_AND_RUN:
        folder.set_aside(state.fold, extraction)
    # A fold whose file is in its place would be up to date.
    retried = (
        folder.out_of_the_way(state.fold, extraction) if state.n_quarantined else nullcontext()
    )
    with retried:
        graph.run(nodes, on_step=announcer(console))


def _key(fold: int | None) -> int | str:
    """A fold as a program reads it."""
    return INFERENCE if fold is None else fold


def _as_json(states: list[FoldState]) -> dict[str, Any]:
    return {
        "folds": sum(state.fold is not None for state in states),
        "problems": {str(_key(state.fold)): state.problem for state in states if state.problem},
        "damaged": {
            str(_key(state.fold)): list(state.damaged) for state in states if state.damaged
        },
        "quarantined": sum(state.n_quarantined for state in states),
        "without_checks": [_key(state.fold) for state in states if not state.has_checks],
    }


def _print(states: list[FoldState]) -> None:
    for state in states:
        typer.echo(str(state))


def _exit_code(states: list[FoldState]) -> int:
    if any(state.problem for state in states):
        return _FAILED
    return _QUARANTINED if any(state.n_quarantined for state in states) else 0


def _print_leftovers(project: Project, found: list[Leftover]) -> None:
    console = open_console()
    if not found:
        console.print("There is nothing to delete.")
        return
    show_table(
        console,
        f"{project.config.name}: cache files that the configuration does not need",
        columns=["file", "MB", "why"],
        rows=list(_leftover_rows(found)),
    )
    console.print(f"{len(found)} files, {_size(found) / _MB:.1f} MB.")


def _leftover_rows(found: list[Leftover]) -> Iterator[list[str]]:
    for file in found:
        yield [f"{file.extraction}/{file.path.name}", f"{file.n_bytes / _MB:.1f}", file.why]


def _size(files: list[Leftover]) -> int:
    return sum(file.n_bytes for file in files)
