"""`ui`: Dagster's webserver and daemon on this project, on 127.0.0.1 only."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from biomass_pipeline.cli.opening import open_project, opened
from biomass_pipeline.config import CONFIG_VARIABLE, ENVIRONMENT_PREFIX
from biomass_pipeline.errors import BusyProjectError, UnlockableFolderError
from biomass_pipeline.orchestration import LogReporter, exclusive
from biomass_pipeline.project import Project

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """The process that shows a project: its command line and its whole environment."""

    command: tuple[str, ...]
    environment: dict[str, str]


def serve(config: Path | None, overrides: tuple[str, ...], *, port: int, as_json: bool) -> int:
    """Run `dagster dev` until it is interrupted.

    Returns:
        Dagster's exit code.
    """
    project = open_project(config, overrides)
    server = server_of(project, port=port, environment=os.environ)
    # The storage is made here, by one process: servers that open a fresh one together corrupt it.
    # What a killed command left behind would hold the device against everything served here.
    with (
        opened(project, LogReporter()) as graph,
        suppress(BusyProjectError, UnlockableFolderError),
        exclusive(project.layout, graph.instance),
    ):
        pass
    url, storage = f"http://{_HOST}:{port}", project.layout.dagster_home
    if as_json:
        typer.echo(json.dumps({"url": url, "storage": str(storage)}))
    else:
        typer.echo(f"Dagster on {url}, storage in {storage}; Ctrl-C ends it.")
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and arguments
            server.command, env=server.environment, check=False
        )
    except KeyboardInterrupt:
        return 0
    return done.returncode


def server_of(project: Project, *, port: int, environment: Mapping[str, str]) -> Server:
    """What to start so that Dagster's code location opens the same project.

    Args:
        project: Its file and overrides travel as environment variables.
        port: On 127.0.0.1; no other address is listened on.
        environment: What the process inherits.
    """
    command = (sys.executable, "-m", "dagster", "dev", "-m", "biomass_pipeline.definitions")
    variables = {**environment, "DAGSTER_HOME": str(project.layout.dagster_home.resolve())}
    if project.file is not None:
        variables[CONFIG_VARIABLE] = str(project.file.resolve())
    for override in project.overrides:
        key, _, value = override.partition("=")
        variables[ENVIRONMENT_PREFIX + key.strip().upper().replace(".", "__")] = value
    return Server((*command, "-h", _HOST, "-p", str(port)), variables)
