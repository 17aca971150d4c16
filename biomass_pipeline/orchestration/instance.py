"""Dagster's own storage for one project, under its root folder."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import yaml

from biomass_pipeline.layout import Layout
from biomass_pipeline.whole import write_whole

_SETTINGS = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {"pools": {"default_limit": 1, "granularity": "op"}},
    # A killed step would hold its place in the pool for ever without this.
    "run_monitoring": {"enabled": True, "free_slots_after_run_end_seconds": 60},
    "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
}

# What servers read, and what a verb on a terminal reads: the same storage.
_FOR_SERVERS, _FOR_VERBS = "dagster.yaml", "verbs.yaml"
# Otherwise everything printed goes through a file and two processes a step that tail it: slower,
# bars stutter, and Ctrl-C ends in their tracebacks.
_PRINT_STRAIGHT = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


def open_instance(layout: Layout) -> dg.DagsterInstance:
    """Open the project's storage, making it at first.

    It is opened here, by one process, before any server is started: several processes that open a
    fresh one at once corrupt it.
    """
    home = layout.dagster_home
    settings, own = home / _FOR_SERVERS, home / _FOR_VERBS
    if not settings.exists():
        home.mkdir(parents=True, exist_ok=True)
        _write(settings, _SETTINGS)
    # Read again each time: somebody may have moved the storage to a database.
    _write(own, {**yaml.safe_load(settings.read_text(encoding="utf-8")), **_PRINT_STRAIGHT})
    return dg.DagsterInstance.from_config(str(home), own.name)


def _write(file: Path, settings: Mapping[str, object]) -> None:
    text = yaml.safe_dump(dict(settings), sort_keys=False)
    write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))
