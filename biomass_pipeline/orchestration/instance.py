"""Dagster's own storage for one project, under its root folder."""

import dagster as dg
import yaml

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration.io_managers import write_whole

_SETTINGS = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {"pools": {"default_limit": 1, "granularity": "op"}},
    # A killed step would hold its place in the pool for ever without this.
    "run_monitoring": {"enabled": True, "free_slots_after_run_end_seconds": 60},
    "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
}


def open_instance(layout: Layout) -> dg.DagsterInstance:
    """Open the project's storage, making it at first.

    It is opened here, by one process, before any server is started: several processes that open a
    fresh one at once corrupt it.
    """
    home = layout.dagster_home
    settings = home / "dagster.yaml"
    if not settings.exists():
        home.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(_SETTINGS, sort_keys=False)
        write_whole(settings, lambda path: path.write_text(text, encoding="utf-8"))
    return dg.DagsterInstance.from_config(str(home))
