"""How a verb opens its project and that project's graph."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from biomass_pipeline.assets import Reporter
from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import (
    BiomassError,
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
from biomass_pipeline.orchestration.refusals import refusal
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
def opened(project: Project, reporter: Reporter, *, settle: bool = False) -> Iterator[Graph]:
    """The project's graph with its own Dagster storage.

    Args:
        project: Whose graph it is.
        reporter: Where progress is shown.
        settle: Leave alone photos that are still being written.

    Raises:
        UnusableRootError: Nothing can be written under the project's root folder.
        StorageRefusedError: The disk, or Dagster's database on it, refuses.
        MissingWeightsError: The backbone's weights are not to be had.
        InterruptedRunError: Somebody pressed Ctrl-C.
    """
    # Before the graph: the hash of the weights is part of what decides it.
    fetch_weights(project.config.backbone, base=project.base)
    resources = build_resources(project, reporter=reporter, settle=settle)
    with _refusals_told():
        try:
            instance = open_instance(project.layout)
        except OSError as error:
            raise UnusableRootError(project.layout.root, str(error)) from error
    with instance, _stoppable(), _refusals_told():
        try:
            yield Graph(build_definitions(project, resources=resources), instance)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            raise InterruptedRunError from None


@contextmanager
def _refusals_told() -> Iterator[None]:
    """A full disk or a locked database is a sentence, wherever it is met."""
    try:
        yield
    except BiomassError:
        raise
    except Exception as error:  # what a storage raises has no common base; the rest goes on
        if told := refusal(error, what="The project's storage failed"):
            raise told from error
        raise


@contextmanager
def _stoppable() -> Iterator[None]:
    """End as by Ctrl-C when an init system asks: runs are closed, and what is done is kept."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
