"""Real servers on a project: what they hold, one run a fold by one click, and stopping a run."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from biomass_pipeline.orchestration import open_instance
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.orchestration.slow_farm import LOG_VARIABLE, embedded, hold_of
from biomass_pipeline_tests.orchestration.test_ui import (
    BACKFILL,
    BACKFILL_STATUS,
    QUICK_DAEMON,
    Ui,
)
from biomass_pipeline_tests.serving import REPOSITORY_ROOT, free_port, served

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

MIB = 1024**2
LOCATION = "biomass_pipeline_tests.orchestration.slow_farm"
FOLDS = ["0", "1", "2"]
# 24 photos of two tiles in three folds, in batches of four tiles.
N_TILES, BATCH = 48, 4
RUNS = """query ($id: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) {
    ... on Runs {results {runId status tags {key value}}}}}"""
TERMINATE = """mutation ($id: String!) {
  terminateRun(runId: $id) {__typename ... on PythonError {message}}}"""
RUN = "query ($id: ID!) {runOrError(runId: $id) {... on Run {status}}}"


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    """A farm with its tables made, ready for extraction."""
    farm = build_farm(tmp_path_factory.mktemp("farm"), per_session=4)
    farm.write(compute={"device": "cpu"})
    return farm


@pytest.fixture(scope="module")
def log(farm):
    return farm.folder / "embedded.txt"


@pytest.fixture(scope="module")
def stack(farm, log):
    """Code server, webserver and daemon, each a process of its own, as in a deployment."""
    layout, port, grpc_port = farm.project().layout, free_port(), free_port()
    open_instance(layout).dispose()
    workspace = farm.folder / "workspace.yaml"
    server = {"host": "127.0.0.1", "port": grpc_port, "location_name": "farm"}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    place = ["-h", "127.0.0.1", "-p"]
    environment = {
        "BIOMASS_CONFIG": str(farm.folder / "biomass.yaml"),
        "DAGSTER_HOME": str(layout.dagster_home),
        LOG_VARIABLE: str(log),
    }
    code = ["-m", "dagster", "api", "grpc", *place, str(grpc_port), "-m", LOCATION]
    web = ["-m", "dagster_webserver", *place, str(port), "-w", str(workspace)]
    daemon = ["-c", QUICK_DAEMON, "run", "-w", str(workspace)]
    code_log, web_log = farm.folder / "code", farm.folder / "web"
    for folder in (code_log, web_log):
        folder.mkdir()
    # Whoever starts before the code answers shows an error until it is reloaded.
    with served(code_log, code, port=grpc_port, environment=environment) as location:
        location.wait(lambda: answers(grpc_port), seconds=90, what="code server")
        with served(web_log, web, daemon, port=port, environment=environment) as servers:
            ui = Ui(**vars(servers))
            ui.wait(ui.location, seconds=90, what="code location")
            ui.processes = [*location.processes, *ui.processes]
            yield ui
            pids = [process.pid for process in ui.processes]
    # Not one of their process groups is left: no run worker, no step, no tail of a log.
    time.sleep(0.2)
    assert not [pid for pid in pids if members(pid)]


def answers(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def members(group):
    """The living processes of a process group."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def resident_bytes(process):
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def test_webserver_and_daemon_are_small_and_every_daemon_is_well(stack):
    assert stack.assets()
    kinds = stack.wait(stack.daemons, seconds=300, what="daemon")
    assert {"SCHEDULER", "SENSOR", "BACKFILL", "QUEUED_RUN_COORDINATOR", "MONITORING"} <= kinds
    code, web, daemon = (resident_bytes(process) for process in stack.processes)
    print(f"\ncode {code / MIB:.0f}, web {web / MIB:.0f}, daemon {daemon / MIB:.0f} MiB")  # noqa: T201  # with -s
    assert web < 250e6
    assert daemon < 250e6
    # It holds pandas, SciPy and what reads photos; no torch.
    assert code < 450e6


def test_a_backfill_of_all_folds_makes_one_run_a_fold_and_a_stopped_one_goes_on(stack, farm, log):
    stack.launch("observe")
    stack.launch("prepare")
    hold_of(log).touch()
    first = backfill(stack, ["patch_index", "feature_cache"])
    by_fold = stack.wait(lambda: runs_of(stack, first, 3), seconds=300, what="three runs")
    assert sorted(by_fold) == FOLDS

    # Stop one that embeds, and is in no hurry: what reached the disk stays.
    stack.wait(lambda: embedded(log) >= BATCH, seconds=300, what="first batch")
    runs = [run["runId"] for run in by_fold.values()]
    stopped = stack.wait(lambda: at_work(farm, runs), seconds=300, what="a run that embeds")
    answer = stack.ask(TERMINATE, id=stopped)["terminateRun"]
    assert answer["__typename"] == "TerminateRunSuccess", answer
    stack.wait(lambda: status(stack, stopped) == "CANCELED", seconds=300, what="end of the run")
    assert embedded(log) < N_TILES
    hold_of(log).unlink()
    stack.wait(lambda: ended(stack, first), seconds=3000, what="end of the backfill")
    states = sorted(run["status"] for run in runs_of(stack, first, 3).values())
    assert states == ["CANCELED", "SUCCESS", "SUCCESS"]

    # Again, all folds by one click: no row that was written is embedded again.
    again = backfill(stack, ["feature_cache"])
    stack.wait(lambda: ended(stack, again) == "COMPLETED_SUCCESS", seconds=3000, what="the rest")
    assert sorted(runs_of(stack, again, 3)) == FOLDS
    assert N_TILES <= embedded(log) <= N_TILES + 2 * BATCH


def backfill(stack, assets):
    """All folds of some assets, as the button of the UI asks for them."""
    keys = [{"path": [name]} for name in assets]
    parameters = {"assetSelection": keys, "partitionNames": FOLDS}
    launched = stack.ask(BACKFILL, parameters=parameters)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return launched["backfillId"]


def ended(stack, backfill_id):
    found = stack.ask(BACKFILL_STATUS, id=backfill_id)["partitionBackfillOrError"]["status"]
    return found not in {"REQUESTED", "COMPLETING"} and found


def runs_of(stack, backfill_id, count):
    """The runs of a backfill by fold, once there are as many."""
    found = stack.ask(RUNS, id=backfill_id)["runsOrError"]["results"]
    by_fold = {
        tag["value"]: run
        for run in found
        for tag in run["tags"]
        if tag["key"] == "dagster/partition"
    }
    assert len(by_fold) == len(found)
    return len(found) == count and by_fold


def status(stack, run_id):
    return stack.ask(RUN, id=run_id)["runOrError"]["status"]


def at_work(farm, runs):
    """The run that has the device; none while one ends and the next begins."""
    return next((run for run in runs if holds_the_device(farm, run)), None)


def holds_the_device(farm, run_id):
    with open_instance(farm.project().layout) as instance:
        info = instance.event_log_storage.get_concurrency_info("gpu")
        return run_id in {slot.run_id for slot in info.claimed_slots}


def test_the_definitions_load_in_three_times_what_their_libraries_take(farm):
    """In processor seconds of one run each, which a slow or busy machine lengthens alike."""
    libraries = _processor_s("dagster, pandas, pyarrow.parquet, h5py, PIL.Image, scipy.optimize")
    environment = {**os.environ, "BIOMASS_CONFIG": str(farm.folder / "biomass.yaml")}
    ours = _processor_s("biomass_pipeline.definitions", environment)
    print(f"\n{ours:.1f} s, of which libraries {libraries:.1f} s")  # noqa: T201  # with -s
    assert ours < 3 * libraries


def _processor_s(modules, environment=os.environ):
    script = (
        f"import {modules}, resource; used = resource.getrusage(resource.RUSAGE_SELF); "
        "print(used.ru_utime + used.ru_stime)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
