"""One command at a time on a project, and what a killed one left behind is cleared away."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from filelock import Timeout

from biomass_pipeline.errors import BusyProjectError, UnlockableFolderError
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import acquire_lock, sign_lock, signed_by

# On every run that a command starts, so that those of servers are left to their daemon.
COMMAND_TAGS = {"biomass/started_by": "command"}
# Whoever only looks whether somebody is at work holds the lock for less than this.
_LOOK_S = 0.5
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextmanager
def exclusive(layout: Layout, instance: dg.DagsterInstance) -> Iterator[None]:
    """Hold the project for one command.

    The lock goes with its process, so whoever holds it knows that every unfinished run of a
    command is dead. Such a run keeps its place in the pool for ever, and the next step of that
    pool would wait for it for ever: it is failed, and its place freed.

    Raises:
        BusyProjectError: Another command is at work.
        UnlockableFolderError: There can be no lock in the project's folder.
    """
    path = layout.dagster_home / "command.lock"
    owner = signed_by(path)
    try:
        lock = acquire_lock(path, timeout_s=_LOOK_S)
        sign_lock(path)
    except Timeout:
        raise BusyProjectError(layout.root, owner=owner) from None
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise UnlockableFolderError(layout.dagster_home, why=why) from error
    try:
        _clear_killed(instance)
        yield
    finally:
        lock.release()


def _clear_killed(instance: dg.DagsterInstance) -> None:
    dead = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED, tags=COMMAND_TAGS))
    for run in dead:
        instance.report_run_failed(run, "The command that ran it was killed.")
    # Not of these runs only: who was killed between these two lines leaves a place as well.
    for run_id in _in_pools(instance):
        holder = instance.get_run_by_id(run_id)
        if holder is None or holder.is_finished:
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def others_at_work(instance: dg.DagsterInstance) -> list[str]:
    """A sentence for each run of a server that has, or waits for, a place in a pool.

    Only its daemon knows whether such a run still lives: after a power cut it would be waited for
    without end.
    """
    runs = filter(None, map(instance.get_run_by_id, sorted(_in_pools(instance))))
    return [
        f"Run {run.run_id} of a server ({run.job_name}) comes first: heavy steps wait until it "
        f"ends. If its server is dead, terminate it in `biomass ui`."
        for run in runs
        if not COMMAND_TAGS.items() <= run.tags.items()
    ]


def _in_pools(instance: dg.DagsterInstance) -> set[str]:
    """The runs that hold a place in a pool, or stand in line for one."""
    storage = instance.event_log_storage
    pools = [storage.get_concurrency_info(pool) for pool in storage.get_concurrency_keys()]
    holding = {slot.run_id for pool in pools for slot in pool.claimed_slots}
    return holding | {step.run_id for pool in pools for step in pool.pending_steps}
