"""`doctor`: versions, device, disk, weights and data: what is wrong and what to do."""

import json
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from biomass_pipeline.cli.opening import open_project
from biomass_pipeline.cli.terminal import open_console, show_table
from biomass_pipeline.errors import BiomassError, MissingInputError
from biomass_pipeline.features import fetch_weights, usable_devices
from biomass_pipeline.manifest import ImageFolder, read_labels
from biomass_pipeline.project import Project
from biomass_pipeline.reporting import package_versions

_LEAST_FREE_GB = 2.0


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
        show_table(
            open_console(),
            "biomass doctor",
            columns=["what", "state", "found"],
            rows=[[finding.what, finding.state, finding.found] for finding in findings],
        )
    return int(any(finding.state == "wrong" for finding in findings))


def _findings(config: Path | None, overrides: tuple[str, ...]) -> Iterator[Finding]:
    yield Finding("python", "ok", platform.python_version())
    versions = package_versions()
    yield Finding("packages", "ok", ", ".join(f"{name} {v}" for name, v in versions.items()))
    try:
        project = open_project(config, overrides)
    except BiomassError as error:
        yield Finding("configuration", "wrong", str(error))
        return
    yield Finding("configuration", "ok", str(project.file or "built in"))
    yield _examined("device", lambda: _device(project))
    yield _disk(project)
    yield _examined("weights", lambda: _weights(project))
    yield _examined("photos", lambda: _photos(project))
    try:
        yield _labels(project)
    except BiomassError as error:
        yield Finding("labels", "wrong", str(error))


def _examined(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", look())
    except BiomassError as error:
        return Finding(what, "wrong", str(error))


def _device(project: Project) -> str:
    configured = project.config.compute.device
    found = ", ".join(usable_devices(configured))
    return f"{found} (chosen by auto)" if configured == "auto" else found


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
    if not files:
        raise MissingInputError("photo", data.images, option="data.images")
    return f"{len(files)} files, {megabytes:.1f} MB in {data.images}"


def _labels(project: Project) -> Finding:
    data = project.config.data
    sheet = read_labels(data.labels, base=project.base, spec=data)
    names = ", ".join(data.target_names)
    found = f"{len(sheet.table)} photos labelled with {names}"
    if not sheet.warnings:
        return Finding("labels", "ok", found)
    first, rest = sheet.warnings[0], len(sheet.warnings) - 1
    more = f" (and {rest} more like it)" if rest else ""
    return Finding("labels", "warning", f"{found}; {first}{more}")
