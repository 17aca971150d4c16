"""Dagster's event log in SQLite: a graph of small assets, its files opened once or for each query.

Usage: python benchmarks/event_log.py [RESULT.json]. Both ways take turns in one run. The assets do
nothing, so what is timed is Dagster and its storage; `looks` asks for the newest record of each
asset, as whatever judges staleness does.
"""

import argparse
import statistics
import time
from collections.abc import Callable
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

N_ASSETS, N_ROUNDS, N_LOOKS = 20, 5, 20
STORAGES = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)


def as_dagster_does() -> None:
    """An engine for each query, as the storages come."""
    for module in STORAGES:
        module.create_engine = create_engine


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


def timed(assets: list[dg.AssetsDefinition], instance: dg.DagsterInstance) -> tuple[float, float]:
    """Seconds of a run, and of looking at every asset's newest record again and again."""

    def look() -> None:
        for _ in range(N_LOOKS):
            for asset in assets:
                instance.fetch_materializations(asset.key, limit=1)

    run = seconds(lambda: dg.materialize(assets, instance=instance))
    return run, seconds(look)


def main() -> None:
    """Take turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    result: Path | None = parser.parse_args().result
    ways = {"once": keep_connections, "each query": as_dagster_does}
    runs: dict[str, list[float]] = {way: [] for way in ways}
    looks: dict[str, list[float]] = {way: [] for way in ways}
    with TemporaryDirectory() as folder, open_instance(Layout(Path(folder))) as instance:
        assets = chain()
        timed(assets, instance)  # what is imported at first use
        for _ in range(N_ROUNDS):
            for way, choose in ways.items():
                choose()
                run, look = timed(assets, instance)
                runs[way].append(run)
                looks[way].append(look)
    ratios = {
        "run, opened for each query / once": _ratio(runs),
        "looks, opened for each query / once": _ratio(looks),
    }
    finish(
        result,
        ratios=ratios,
        details={"runs_s": runs, "looks_s": looks, "n_assets": N_ASSETS, "n_looks": N_LOOKS},
    )


def _ratio(taken: dict[str, list[float]]) -> float:
    return statistics.median(taken["each query"]) / statistics.median(taken["once"])


if __name__ == "__main__":
    main()
