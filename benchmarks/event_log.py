"""Dagster's event log: a graph of small assets, with connections kept or made for each query.

Usage: python benchmarks/event_log.py [RESULT.json]. SQLite as on a laptop, and a PostgreSQL that is
started for it, as in a deployment, where Debian's packages are installed. In both, what we make of
Dagster's storage and Dagster's own take turns in one run. The assets do nothing, so what is timed
is Dagster and its storage; `looks` asks for the newest record of each asset, as whatever judges
staleness does.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import create_engine
from verdicts import finish

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.orchestration.connections import keep_connections
from biomass_pipeline_tests.deployment.postgres import missing_postgres, started_cluster

N_ASSETS, N_ROUNDS, N_LOOKS = 20, 5, 20
STORAGES = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
KEPT, EACH = "kept", "each query"
ON_POSTGRES = {
    KEPT: ("biomass_pipeline.deployment.storage", "PatientPostgresStorage"),
    EACH: ("dagster_postgres", "DagsterPostgresStorage"),
}
Ways = dict[str, Callable[[], dg.DagsterInstance]]


@contextmanager
def on_sqlite() -> Iterator[Ways]:
    """One project's storage; its files are opened once, or an engine is made for each query."""
    with TemporaryDirectory() as folder, open_instance(Layout(Path(folder))) as instance:

        def kept() -> dg.DagsterInstance:
            keep_connections()
            return instance

        def each() -> dg.DagsterInstance:
            for module in STORAGES:
                module.create_engine = create_engine
            return instance

        yield {KEPT: kept, EACH: each}


@contextmanager
def on_postgres() -> Iterator[Ways]:
    """One database: by the class that docker/dagster.yaml names, and by Dagster's own."""
    with started_cluster() as cluster, ExitStack() as opened:
        instances: dict[str, dg.DagsterInstance] = {}
        for way, (module, name) in ON_POSTGRES.items():
            folder = Path(opened.enter_context(TemporaryDirectory()))
            storage = {"module": module, "class": name, "config": {"postgres_url": cluster.url}}
            settings = {"storage": {"custom": storage}, "telemetry": {"enabled": False}}
            (folder / "dagster.yaml").write_text(json.dumps(settings), encoding="utf-8")
            instances[way] = opened.enter_context(dg.DagsterInstance.from_config(str(folder)))
        yield {way: partial(_itself, instance) for way, instance in instances.items()}


def _itself(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return instance


def chain() -> list[dg.AssetsDefinition]:
    """Assets that do nothing, each made of the one before."""
    found: list[dg.AssetsDefinition] = []
    for number in range(N_ASSETS):
        before = [found[-1].key] if found else []

        @dg.asset(name=f"asset_{number}", deps=before)
        def empty() -> None:
            """Nothing."""

        found.append(empty)
    return found


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def timed(assets: list[dg.AssetsDefinition], instance: dg.DagsterInstance) -> dict[str, float]:
    """Seconds of a run, and of looking at every asset's newest record again and again."""

    def look() -> None:
        for _ in range(N_LOOKS):
            for asset in assets:
                instance.fetch_materializations(asset.key, limit=1)

    run = seconds(lambda: dg.materialize(assets, instance=instance, run_config=QUIET))
    return {"run": run, "looks": seconds(look)}


def compared(ways: Ways) -> dict[str, dict[str, list[float]]]:
    """Seconds by what was done and by way; the ways take turns."""
    assets = chain()
    taken: dict[str, dict[str, list[float]]] = {
        what: {way: [] for way in ways} for what in ("run", "looks")
    }
    for instance in ways.values():
        timed(assets, instance())  # what is imported or compiled at first use
    for _ in range(N_ROUNDS):
        for way, instance in ways.items():
            for what, taken_s in timed(assets, instance()).items():
                taken[what][way].append(taken_s)
    return taken


def main() -> None:
    """Take turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    result: Path | None = parser.parse_args().result
    storages = {"SQLite": on_sqlite, "PostgreSQL": on_postgres}
    if why := missing_postgres():
        print(f"PostgreSQL: skipped, {why}")
        del storages["PostgreSQL"]
    seconds_of = {}
    for name, opened in storages.items():
        with opened() as ways:
            seconds_of[name] = compared(ways)
    ratios = {
        f"{name}, {what}: {EACH} / {KEPT}": statistics.median(by_way[EACH])
        / statistics.median(by_way[KEPT])
        for name, taken in seconds_of.items()
        for what, by_way in taken.items()
    }
    details = {"seconds": seconds_of, "n_assets": N_ASSETS, "n_looks": N_LOOKS}
    finish(result, ratios=ratios, details=details)


if __name__ == "__main__":
    main()
