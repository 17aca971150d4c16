"""`ui`: Dagster's webserver and daemon on this project, on 127.0.0.1 only."""

import os
import subprocess
import sys
from pathlib import Path

import typer

from biomass_pipeline.config import CONFIG_VARIABLE, ENVIRONMENT_PREFIX, find_config_file
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.project import Project

_HOST = "127.0.0.1"


def serve(config: Path | None, overrides: tuple[str, ...], *, port: int) -> int:
    """Run `dagster dev` until it is interrupted.

    Returns:
        Dagster's exit code.
    """
    project = Project.open(config, overrides=overrides)
    # Made here, by one process: servers that open a fresh one together corrupt it.
    open_instance(project.layout).dispose()
    typer.echo(f"Dagster on http://{_HOST}:{port}, storage in {project.layout.dagster_home}")
    command = [sys.executable, "-m", "dagster", "dev", "-m", "biomass_pipeline.definitions"]
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and arguments
            [*command, "-h", _HOST, "-p", str(port)],
            env=_environment(project, config, overrides),
            check=False,
        )
    except KeyboardInterrupt:
        return 0
    return done.returncode


def _environment(
    project: Project, config: Path | None, overrides: tuple[str, ...]
) -> dict[str, str]:
    """What the code location's process needs to open the same project."""
    variables = {**os.environ, "DAGSTER_HOME": str(project.layout.dagster_home.resolve())}
    found = find_config_file(config)
    if found is not None:
        variables[CONFIG_VARIABLE] = str(found.resolve())
    for override in overrides:
        key, _, value = override.partition("=")
        variables[ENVIRONMENT_PREFIX + key.strip().upper().replace(".", "__")] = value
    return variables
