"""Old runs and their logs are deleted, but not what Dagster knows of the present assets by them.

Dagster forgets a materialization with its run. So a run is kept, however old, that made what is
there now, or that made what something present was made from: by comparing with that, Dagster tells
whether an input changed since.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from biomass_pipeline.errors import BusyProjectError, UnlockableFolderError
from biomass_pipeline.orchestration.exclusion import exclusive
from biomass_pipeline.project import Project

CLEAN_UP = "clean_up_runs"
# Dagster notes under this tag, for each input, the storage id of the event that was read.
_POINTER = "dagster/input_event_pointer/"
_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]


@dataclass(frozen=True)
class Cleared:
    """What a clean-up did.

    Attributes:
        deleted: Runs that are gone, with their logs.
        kept: Runs as old, that what is there now is known by.
    """

    deleted: tuple[str, ...]
    kept: tuple[str, ...]


def clean_up_job(project: Project) -> dg.JobDefinition:
    """The job that deletes old runs, as `automation.keep_runs_days` says."""
    days, layout = project.config.automation.keep_runs_days, project.layout

    @dg.op(description="Delete finished runs and their logs that nothing present is known by.")
    def delete_old_runs(context: dg.OpExecutionContext) -> None:
        # Runs of commands that were killed hold their place in the pool until somebody ends them.
        with suppress(BusyProjectError, UnlockableFolderError), exclusive(layout, context.instance):
            pass
        if days is None:
            context.log.info("automation.keep_runs_days is null: every run is kept")
            return
        cleared = clean_up(context.instance, before=datetime.now(UTC) - timedelta(days=days))
        context.log.info(
            "deleted %d runs that ended more than %d days ago; kept %d as old that what is there "
            "now is known by",
            len(cleared.deleted),
            days,
            len(cleared.kept),
        )

    @dg.job(
        name=CLEAN_UP,
        description="Deletes old runs and their logs; what is there now stays known.",
        executor_def=dg.in_process_executor,
    )
    def clean_up_runs() -> None:
        delete_old_runs()

    return clean_up_runs


def clean_up(instance: dg.DagsterInstance, *, before: datetime) -> Cleared:
    """Delete runs that ended before a time, but for those that present assets are known by."""
    finished = dg.RunsFilter(statuses=_FINISHED, updated_before=before)
    old = [run.run_id for run in instance.get_runs(finished)]
    needed = set(_needed(instance)) if old else set()
    deleted = [run_id for run_id in old if run_id not in needed]
    for run_id in deleted:
        _delete(instance, run_id)
    return Cleared(tuple(deleted), tuple(run_id for run_id in old if run_id in needed))


def _needed(instance: dg.DagsterInstance) -> Iterator[str]:
    """The runs by which the state of every asset is known."""
    for key in instance.all_asset_keys():
        for fold in (None, *instance.get_materialized_partitions(key)):
            made = _newest(instance, key, fold)
            if made is not None:
                yield made.run_id
                yield from _inputs(instance, made)
        for record in instance.fetch_observations(dg.AssetRecordsFilter(key), limit=1).records:
            yield record.run_id


def _inputs(instance: dg.DagsterInstance, made: dg.EventLogRecord) -> Iterator[str]:
    """The runs of what it was made from; of all folds, since not all may have been read."""
    materialization = made.asset_materialization
    for tag, pointer in ((materialization and materialization.tags) or {}).items():
        if not tag.startswith(_POINTER) or not pointer.isdigit():
            continue
        key = dg.AssetKey.from_user_string(tag.removeprefix(_POINTER))
        for fold in (None, *instance.get_materialized_partitions(key)):
            read = _newest(instance, key, fold, until=int(pointer))
            if read is not None:
                yield read.run_id


def _newest(
    instance: dg.DagsterInstance, key: dg.AssetKey, fold: str | None, *, until: int | None = None
) -> dg.EventLogRecord | None:
    """The last materialization of an asset or of one fold of it, up to some event."""
    wanted = dg.AssetRecordsFilter(
        key,
        asset_partitions=None if fold is None else [fold],
        before_storage_id=None if until is None else until + 1,
    )
    return next(iter(instance.fetch_materializations(wanted, limit=1).records), None)


def _delete(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    # On SQLite each run has a file of its own, which Dagster empties and leaves.
    shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if shard is not None:
        for ending in ("", "-wal", "-shm"):
            Path(f"{shard(run_id)}{ending}").unlink(missing_ok=True)
