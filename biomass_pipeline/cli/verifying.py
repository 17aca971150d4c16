"""`verify`: every artefact of a project, a line each, and what to do about it."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from biomass_pipeline.audit import Condition, State, audit_project
from biomass_pipeline.cli.opening import open_project
from biomass_pipeline.cli.terminal import open_console, say, show_table

_FAILED, _QUARANTINED = 1, 3


def verify_project(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Print the condition of every artefact, and how many are in which.

    Returns:
        0; 1 when an artefact is damaged, gone or does not fit the others; else 3 when photos are
        quarantined.
    """
    project = open_project(config, overrides)
    found = list(audit_project(project))
    if as_json:
        typer.echo(json.dumps(_as_json(found)))
        return _exit_code(found)
    console = open_console()
    show_table(
        console,
        f"{project.config.name}: artefacts in {project.layout.root}",
        columns=["artefact", "state", "what"],
        rows=[[one.name, one.state.value, one.sentence] for one in found],
    )
    say(console, _summary(found), style="red" if _exit_code(found) == _FAILED else "")
    return _exit_code(found)


def _summary(found: Sequence[Condition]) -> str:
    counts = Counter(one.state for one in found)
    told = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
    faults = sum(one.state.is_fault for one in found)
    verdict = f"{faults} to mend" if faults else "nothing to mend"
    return f"{len(found)} artefacts: {told or 'none'}. {verdict.capitalize()}."


def _as_json(found: Sequence[Condition]) -> dict[str, object]:
    counts = Counter(one.state.value for one in found)
    return {
        "whole": not any(one.state.is_fault for one in found),
        "counts": dict(counts),
        "artefacts": [
            {"name": one.name, "state": one.state.value, "what": one.what, "remedy": one.remedy}
            for one in found
        ],
    }


def _exit_code(found: Sequence[Condition]) -> int:
    states = {one.state for one in found}
    if any(state.is_fault for state in states):
        return _FAILED
    return _QUARANTINED if State.QUARANTINED in states else 0
