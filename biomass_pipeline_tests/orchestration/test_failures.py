"""What ends a run is one sentence with the asset, the fold and the run that keeps the traceback."""

import errno
import sqlite3

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from biomass_pipeline.errors import (
    AssetFailedError,
    BiomassError,
    FailedCheckError,
    MissingCacheError,
    StorageRefusedError,
)
from biomass_pipeline.orchestration import Graph, InMemory, Node

FOLDS = dg.StaticPartitionsDefinition(["0", "1"])


class BrokenError(Exception):
    """Nobody foresaw it."""


def graph_of(tmp_path, asset, *checks):
    defs = dg.Definitions(
        assets=[asset],
        asset_checks=list(checks),
        jobs=[dg.define_asset_job("prepare")],
        resources={"io_manager": InMemory()},
        executor=dg.in_process_executor,
    )
    return Graph(defs, dg.DagsterInstance.local_temp(str(tmp_path)))


def run(graph, node):
    graph._execute("prepare", [node], fold=node.fold)  # a run of any stage


def test_a_bug_names_the_asset_the_fold_and_the_run(tmp_path):
    @dg.asset(partitions_def=FOLDS)
    def broken():
        message = "first line\nsecond line"
        raise BrokenError(message)

    graph = graph_of(tmp_path, broken)
    with pytest.raises(
        AssetFailedError, match=r"`broken` of fold 1 failed: BrokenError: "
    ) as raised:
        run(graph, Node("broken", "1"))
    (failed,) = graph.instance.get_runs()
    assert failed.run_id in str(raised.value)
    assert "second line" not in str(raised.value)
    log = graph.instance.all_logs(failed.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert "second line" in str(log[0].dagster_event.step_failure_data.error)


def test_a_full_disk_is_no_bug(tmp_path):
    @dg.asset(partitions_def=FOLDS)
    def large():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        StorageRefusedError, match=r"^`large` of fold 1 failed: no space left .*Free"
    ):
        run(graph_of(tmp_path, large), Node("large", "1"))


def test_a_database_that_refuses_is_not_asked_what_failed(tmp_path):
    def refuses(*_, **__):
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error"))

    @dg.asset
    def small():
        instance.event_log_storage.store_event = refuses
        instance.event_log_storage.get_logs_for_run = refuses
        instance.event_log_storage.get_records_for_run = refuses

    graph = graph_of(tmp_path, small)
    instance = graph.instance
    with pytest.raises(StorageRefusedError, match=r"^The run failed: disk I/O error\. Check"):
        run(graph, Node("small"))


def test_an_error_of_ours_passes_as_it_was_raised(tmp_path):
    given = MissingCacheError(tmp_path / "x.h5")

    @dg.asset
    def broken():
        try:
            raise given
        except BiomassError as error:
            message = "around it"
            raise BrokenError(message) from error

    with pytest.raises(MissingCacheError) as raised:
        run(graph_of(tmp_path, broken), Node("broken"))
    assert raised.value is given


def test_a_failed_blocking_check_is_told_in_its_own_sentence(tmp_path):
    @dg.asset
    def folds():
        return 1

    @dg.asset_check(asset="folds", blocking=True)
    def no_group_straddles(folds):
        del folds
        return dg.AssetCheckResult(passed=False, description="2 of 3 groups straddle.")

    graph = graph_of(tmp_path, folds, no_group_straddles)
    sentence = "Check `no_group_straddles` of `folds` failed: 2 of 3 groups straddle."
    with pytest.raises(FailedCheckError, match=sentence):
        run(graph, Node("folds"))


def test_a_run_that_comes_to_no_step_names_its_job(tmp_path):
    @dg.asset(partitions_def=FOLDS)
    def whole():
        return 1

    with pytest.raises(AssetFailedError, match="failed: "):
        run(graph_of(tmp_path, whole), Node("whole", "7"))
