"""The compose file's own commands on a real PostgreSQL: they come up, work, and get over faults."""

import re
import signal
import time
from pathlib import Path

import pytest

from biomass_pipeline_tests.deployment.stack import SERVICES

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def steps(client, run_id):
    """(steps that started, steps that ended well) of a run."""
    events = client.events(run_id)

    def of(kind):
        return {event["stepKey"] for event in events if event["__typename"] == kind}

    return of("ExecutionStepStartEvent"), of("ExecutionStepSuccessEvent")


def wait_for_step(client, run_id):
    """Until a run is in the middle of its work."""
    client.wait(lambda: steps(client, run_id)[0], seconds=180, what="first step")


def test_a_job_that_the_ui_launches_runs_and_is_remembered(stack):
    client = stack.client
    client.finished(client.launch("observe"))
    run = client.launch("prepare", tags={"why": "a test"})
    assert client.finished(run)["tags"]["why"] == "a test"
    newest = client.materializations("image_manifest")[0]
    assert newest["run"] == run
    assert newest["metadata"]["dagster/row_count"] == 8
    assert (stack.config.parent / "artefacts" / "image_manifest.parquet").exists()
    # The webserver shows what a process of another container printed: through a shared volume.
    (printed,) = (stack.folder / "compute_logs" / run).rglob("*.err")
    printed.write_text("printed by a run")
    assert "printed by a run" in client.compute_log(run)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_would_be_healthy(stack, service):
    assert stack.healthy(service), stack.log(f"{service}-health")


def test_a_stopped_service_would_be_unhealthy(stack):
    stack.stop("webserver")
    try:
        assert not stack.healthy("webserver")
    finally:
        stack.start("webserver")


def test_every_daemon_beats(stack):
    client = stack.client
    beating = client.wait(client.daemons, seconds=120, what="daemons")
    assert {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR", "MONITORING"} <= set(beating)
    assert all(beating.values()), beating


@pytest.mark.parametrize("service", ["webserver", "daemon"])
def test_servers_stay_small(stack, service):
    status = Path(f"/proc/{stack.processes[service].pid}/status").read_text()
    megabytes = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000
    assert megabytes < 250


def test_a_restart_of_the_database_costs_a_run_nothing(stack):
    client = stack.client
    run = client.launch("prepare")
    wait_for_step(client, run)
    stack.cluster.restart(signal.SIGINT, down_s=1.0)
    client.finished(run)
    started, done = steps(client, run)
    assert started == done
    assert {"image_manifest", "label_table", "fold_assignment"} <= done
    # Nobody gave up meanwhile.
    assert stack.healthy("daemon")
    client.finished(client.launch("observe"))


def test_runs_of_a_code_location_that_was_killed_are_run_again(stack):
    client = stack.client
    before = {run["runId"] for run in client.runs()}
    run = client.launch("prepare")
    wait_for_step(client, run)
    stack.kill("code")
    stack.start("code")
    client.finished(run, status="FAILURE", seconds=180)
    assert "restarted" in client.failures(run)

    def again():
        return [each for each in client.runs() if each["parentRunId"] == run]

    retry = client.wait(again, seconds=180, what="second try")[0]["runId"]
    client.finished(retry)
    assert {each["runId"] for each in client.runs()} - before == {run, retry}


def test_a_daemon_that_was_killed_costs_no_run(stack):
    client = stack.client
    run = client.launch("prepare")
    wait_for_step(client, run)
    stack.kill("daemon")
    queued = client.launch("observe")
    # Who works needs no daemon; who waits is let in by the next one.
    client.finished(run)
    assert client.run(queued)["status"] == "QUEUED"
    stack.start("daemon")
    client.finished(queued)


def test_the_arrivals_sensor_sees_a_new_photo(stack, farm):
    client = stack.client
    if "arrivals" not in client.automations():
        pytest.skip("no such sensor")
    farm.photo("late.png", 77, blue=9)
    client.switch_on("arrivals")
    try:

        def asked():
            return [run for run in client.runs() if run["tags"].get("biomass/cause")]

        run = client.wait(asked, seconds=180, what="run that the sensor asked for")[0]
        client.finished(run["runId"])
        assert run["jobName"] == "observe"
    finally:
        client.switch_off("arrivals")


def test_what_was_started_can_be_ended(stack):
    started = time.monotonic()
    stack.stop()
    seconds = time.monotonic() - started
    left = stack.gone()
    stack.start()
    # An engine waits for each as long as compose.yaml's `stop_grace_period`, then kills.
    assert seconds < 60
    assert not left
