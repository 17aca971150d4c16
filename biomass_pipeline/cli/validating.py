"""`validate` and `tune`: what is off the way to the report, run when it is asked for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from biomass_pipeline.cli.opening import open_project
from biomass_pipeline.cli.running import run_stale
from biomass_pipeline.cli.terminal import open_console, show_table
from biomass_pipeline.reporting import ProtocolLine, Spread, read_protocols

# Named in Dagster's selection syntax: what they need, and the page that shows them.
_VALIDATE, _TUNE = "+protocols or +report", "+tuning or +report"
_FLAT = 0.005  # a gain below the third digit of what is printed


def run_validation(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Bring the protocols and the report up to date, and print them side by side."""
    code = run_stale(config, overrides, select=_VALIDATE, as_json=as_json)
    if not as_json:
        layout = open_project(config, overrides).layout
        print_protocols(open_console(), json.loads(layout.protocols.read_text(encoding="utf-8")))
    return code


def run_tuning(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Search the settings, and print what is recommended and what searching is honestly worth."""
    code = run_stale(config, overrides, select=_TUNE, as_json=as_json)
    if not as_json:
        layout = open_project(config, overrides).layout
        found = json.loads(layout.document("tuning").read_text(encoding="utf-8"))
        print_tuning(open_console(), found, recommended=layout.recommended)
    return code


def print_protocols(console: Console, comparison: Mapping[str, Any]) -> None:
    """A row a protocol, a column a model: mean and sd of the global R2 over repeats."""
    found = read_protocols(comparison)
    models = list(dict.fromkeys(model for line in found.lines for model in line.models))
    show_table(
        console,
        "R2 by what is held out",
        columns=["held out", *models],
        rows=[
            [_held_out(line), *(_spread(line.models.get(m)) for m in models)]
            for line in found.lines
        ],
        numbers=True,
    )
    for remark in found.remarks:
        console.print(remark, markup=False)


def print_tuning(console: Console, found: Mapping[str, Any], *, recommended: Path) -> None:
    """The best settings, what they are worth on unseen groups, and where they are written."""
    show_table(
        console,
        f"Best of {len(found['trials'])} trials on all photos",
        columns=["setting", "value", "importance"],
        rows=[
            [name, f"{value:.4g}" if isinstance(value, float) else str(value), _share(found, name)]
            for name, value in found["best"].items()
        ],
    )
    nested = found["nested"]
    console.print(
        f"On unseen groups, each fold by settings searched without it: R2 {nested['r2']:.3f}; "
        f"with the configured settings {nested['untuned_r2']:.3f}."
    )
    if nested["difference"] < _FLAT:
        console.print("Searching gained nothing here: keep the configured settings.")
    console.print(f"Recommended settings: {recommended}", markup=False)


def _held_out(line: ProtocolLine) -> str:
    return f"{line.question} x {line.n_repeats}" if line.n_repeats > 1 else line.question


def _spread(found: Spread | None) -> str:
    if found is None or found.mean is None:
        return "-"
    return f"{found.mean:.3f}" + ("" if found.sd is None else f" ± {found.sd:.3f}")


def _share(found: Mapping[str, Any], name: str) -> str:
    share = found["importance"].get(name)
    return "-" if share is None else f"{share:.0%}"
