"""A run whose process is gone is noticed; one whose server is merely silent is left alone."""

import pytest
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import WorkerStatus
from dagster._grpc.types import CanCancelExecutionResult
from dagster._serdes import serialize_value

from biomass_pipeline.deployment.launcher import WatchedRunLauncher

RUN = DagsterRun(job_name="prepare", status=DagsterRunStatus.STARTED)


class CodeLocation:
    """Answers as a server does that has these runs."""

    def __init__(self, *runs, silent=False):
        self.runs, self.silent = runs, silent

    def can_cancel_execution(self, request, timeout):
        if self.silent:
            raise DagsterUserCodeUnreachableError("nobody there")
        known = request.run_id in self.runs
        return serialize_value(CanCancelExecutionResult(can_cancel=known))


class Launcher(WatchedRunLauncher):
    def __init__(self, server):
        super().__init__()
        self.server = server

    def _get_grpc_client_for_termination(self, run_id):
        return self.server


@pytest.mark.parametrize(
    ("server", "status"),
    [
        (CodeLocation(RUN.run_id), WorkerStatus.RUNNING),
        (CodeLocation(), WorkerStatus.NOT_FOUND),
        (CodeLocation("another run"), WorkerStatus.NOT_FOUND),
        (CodeLocation(silent=True), WorkerStatus.RUNNING),
        (None, WorkerStatus.RUNNING),
    ],
    ids=["its own", "none", "others", "silent", "not started there"],
)
def test_only_a_server_that_answers_and_does_not_know_the_run_counts(server, status):
    assert Launcher(server).check_run_worker_health(RUN).status == status


def test_run_monitoring_may_ask():
    assert Launcher(None).supports_check_run_worker_health


def test_the_reason_is_for_the_person_who_reads_the_log():
    found = Launcher(CodeLocation()).check_run_worker_health(RUN)
    assert "code location was restarted" in found.msg
