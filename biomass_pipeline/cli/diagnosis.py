"""`doctor`: versions, device, disk, weights and data: what is wrong and what to do."""

import json
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features import fetch_weights
from biomass_pipeline.manifest import ImageFolder, read_labels
from biomass_pipeline.orchestration import best_device
from biomass_pipeline.project import Project
from biomass_pipeline.reporting import package_versions

_LEAST_FREE_GB = 2.0
_STYLES = {"ok": "green", "warning": "yellow", "wrong": "red"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state, what was found, what to do."""

    what: str
    state: str
    found: str


def diagnose(config: Path | None, overrides: tuple[str, ...], *, as_json: bool) -> int:
    """Print what was found.

    Returns:
        0, or 1 when something is wrong.
    """
    findings = list(_findings(config, overrides))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        table = Table("what", "state", "found", title="biomass doctor")
        for finding in findings:
            table.add_row(
                finding.what, f"[{_STYLES[finding.state]}]{finding.state}[/]", finding.found
            )
        Console(highlight=False).print(table)
    return int(any(finding.state == "wrong" for finding in findings))


def _findings(config: Path | None, overrides: tuple[str, ...]) -> Iterator[Finding]:
    yield Finding("python", "ok", platform.python_version())
    versions = package_versions()
    yield Finding("packages", "ok", ", ".join(f"{name} {v}" for name, v in versions.items()))
    try:
        project = Project.open(config, overrides=overrides)
    except BiomassError as error:
        yield Finding("configuration", "wrong", str(error))
        return
    yield Finding("configuration", "ok", str(project.file or "built in"))
    yield _examined("device", lambda: _device(project))
    yield _disk(project)
    yield _examined("weights", lambda: _weights(project))
    yield _examined("photos", lambda: _photos(project))
    yield _examined("labels", lambda: _labels(project))


def _examined(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", look())
    except BiomassError as error:
        return Finding(what, "wrong", str(error))


def _device(project: Project) -> str:
    configured = project.config.compute.device
    return best_device() if configured == "auto" else f"{configured} (configured)"


def _disk(project: Project) -> Finding:
    place = project.layout.root
    while not place.exists():
        place = place.parent
    free_gb = shutil.disk_usage(place).free / 1e9
    state = "ok" if free_gb >= _LEAST_FREE_GB else "warning"
    return Finding("disk", state, f"{free_gb:.0f} GB free under {project.layout.root}")


def _weights(project: Project) -> str:
    return fetch_weights(project.config.backbone, base=project.base)


def _photos(project: Project) -> str:
    data = project.config.data
    files = ImageFolder(data.images, base=project.base).files()
    megabytes = sum(file.n_bytes for file in files) / 1e6
    return f"{len(files)} files, {megabytes:.0f} MB in {data.images}"


def _labels(project: Project) -> str:
    data = project.config.data
    sheet = read_labels(data.labels, base=project.base, spec=data)
    names = ", ".join(data.target_names)
    return f"{len(sheet.table)} photos labelled with {names}; {len(sheet.warnings)} warnings"
