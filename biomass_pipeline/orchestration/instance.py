"""Dagster's own storage for one project, under its root folder, and how it is run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from biomass_pipeline import __version__
from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration.connections import keep_connections
from biomass_pipeline.store import waiting_lock
from biomass_pipeline.whole import write_whole

_DAY_S = 24 * 60 * 60
# How long a look of each outcome is remembered. Most looks find nothing new.
_TICKS = {"purge_after_days": {"skipped": 2, "started": 7, "success": 90, "failure": 90}}

SETTINGS: dict[str, Any] = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {
        # One heavy step at a time on a device, whoever runs it. Of the runs that would begin with
        # such a step, one waits started and the others queued, where they take no memory.
        "pools": {"default_limit": 1, "granularity": "op", "op_granularity_run_buffer": 1},
        # A run that trains holds about a gigabyte, and the heavy steps take turns anyway.
        "runs": {"max_concurrent_runs": 4},
    },
    "run_monitoring": {
        "enabled": True,
        "poll_interval_seconds": 30,
        "start_timeout_seconds": 300,
        "cancel_timeout_seconds": 300,
        # A run whose machine lost power stays `started`: this ends it. What a longer one did is
        # kept, and the next goes on from there.
        "max_runtime_seconds": 3 * _DAY_S,
        # A killed step would hold its place in the pool for ever without this.
        "free_slots_after_run_end_seconds": 60,
    },
    # A run whose process died is started again. An asset that failed has a reason: faults that
    # pass are retried by the step itself.
    "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
    "retention": {"schedule": _TICKS, "sensor": _TICKS, "auto_materialize": _TICKS},
    # What our rooms log through Python is shown with the run.
    "python_logs": {"managed_python_loggers": ["biomass_pipeline"], "python_log_level": "INFO"},
}
# What version 0.1.0 wrote, to tell a file that nobody edited.
_EARLIER: dict[str, Any] = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {"pools": {"default_limit": 1, "granularity": "op"}},
    "run_monitoring": {"enabled": True, "free_slots_after_run_end_seconds": 60},
    "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
}
# Dagster refuses the second where one of the first is set.
_EXCLUDES = {"concurrency": {"run_queue", "run_coordinator"}}

# Where a deployment's servers have their settings: a verb in its container uses the same storage.
SETTINGS_VARIABLE = "BIOMASS_DAGSTER_SETTINGS"
# What servers read, and what a verb on a terminal reads: the same storage.
_FOR_SERVERS, _FOR_VERBS = "dagster.yaml", "verbs.yaml"
# Otherwise everything printed goes through a file and two processes a step that tail it: slower,
# bars stutter, and Ctrl-C ends in their tracebacks. Servers keep Dagster's own choice: what a step
# prints is a file under `storage/`, shown with its run.
_PRINT_STRAIGHT = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


def open_instance(layout: Layout) -> dg.DagsterInstance:
    """Open the project's storage, making it at first.

    It is opened here, by one process at a time, before any server is started: several processes
    that open a fresh one at once corrupt it.
    """
    keep_connections()
    home = layout.dagster_home
    with waiting_lock(home / "opening.lock", what="opening Dagster's storage"):
        return _opened(home)


def _opened(home: Path) -> dg.DagsterInstance:
    own = home / _FOR_VERBS
    shared = os.environ.get(SETTINGS_VARIABLE)
    text = Path(shared).read_text(encoding="utf-8") if shared else _settings(home / _FOR_SERVERS)
    # Read again each time: somebody may have moved the storage to a database.
    _write(own, _dumped({**yaml.safe_load(text), **_PRINT_STRAIGHT}))
    return dg.DagsterInstance.from_config(str(home), own.name)


def _settings(file: Path) -> str:
    """The project's own settings, written or brought up to date where that is due."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if (text := upgraded(before)) != before:
        _write(file, text)
    return text


def upgraded(text: str) -> str:
    """Settings of any earlier version as this one wants them, without touching what is a person's.

    A file as an earlier version wrote it becomes what this version would write. To one that was
    edited, whole sections are appended that it does not have; what it says stays, comments
    included. So a section is switched off by emptying it (`retention: {}`), not by deleting it.

    Args:
        text: The content of `dagster.yaml`; empty if there is none.
    """
    found = yaml.safe_load(text) or {}
    if not isinstance(found, dict):
        return text  # Dagster's own error is the best one
    if not found or found == _EARLIER:
        return _dumped(SETTINGS)
    missing = {
        name: section
        for name, section in SETTINGS.items()
        if name not in found and not _EXCLUDES.get(name, set()) & found.keys()
    }
    if not missing:
        return text
    return f"{text.rstrip()}\n# Added by biomass-pipeline {__version__}.\n{_dumped(missing)}"


class _Plain(yaml.SafeDumper):
    """Writes a section that is used twice in full, twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _dumped(settings: Mapping[str, Any]) -> str:
    # A subclass of SafeDumper.
    text: str = yaml.dump(dict(settings), Dumper=_Plain, sort_keys=False)
    return text


def _write(file: Path, text: str) -> None:
    write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))
