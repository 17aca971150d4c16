"""How a verb opens its project and that project's graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from biomass_pipeline.assets import Reporter
from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import (
    InterruptedRunError,
    MissingConfigurationError,
    UnusableRootError,
)
from biomass_pipeline.features import fetch_weights
from biomass_pipeline.orchestration import (
    Graph,
    build_definitions,
    build_resources,
    open_instance,
)
from biomass_pipeline.project import Project


def open_project(config: Path | None, overrides: tuple[str, ...]) -> Project:
    """The project of a verb.

    Raises:
        MissingConfigurationError: There is no configuration file, and nothing else names data.
        MissingInputError: The named file does not exist.
        ConfigError: It is not valid.
    """
    project = Project.open(config, overrides=overrides)
    if project.file is None and project.config.data == DataConfig():
        raise MissingConfigurationError(Path.cwd())
    return project


@contextmanager
def opened(project: Project, reporter: Reporter) -> Iterator[Graph]:
    """The project's graph with its own Dagster storage.

    Raises:
        UnusableRootError: Nothing can be written under the project's root folder.
        MissingWeightsError: The backbone's weights are not to be had.
        InterruptedRunError: Somebody pressed Ctrl-C.
    """
    # Before the graph: the hash of the weights is part of what decides it.
    fetch_weights(project.config.backbone, base=project.base)
    resources = build_resources(project, reporter=reporter)
    try:
        instance = open_instance(project.layout)
    except OSError as error:
        raise UnusableRootError(project.layout.root, str(error)) from error
    with instance:
        try:
            yield Graph(build_definitions(project, resources=resources), instance)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            raise InterruptedRunError from None
