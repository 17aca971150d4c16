"""Dagster's default run launcher, that notices when a run's process is gone.

Dagster's launcher starts runs as processes of the code location and asks nobody about them again.
Kill the code location (power cut, out of memory, `docker kill`) and its runs stay "started" for
ever, and their places in the pools stay taken. Named in `docker/dagster.yaml`; with it run
monitoring fails such a run, and run retries start it again.
"""

from typing import TYPE_CHECKING

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

if TYPE_CHECKING:
    from dagster._grpc.client import DagsterGrpcClient

# A run's process on the same cores makes a server slow, not silent.
_PATIENCE_S = 10


class WatchedRunLauncher(DefaultRunLauncher):
    """Runs are processes of the code location, which is asked whether it still has them."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the server that started a run still has its process.

        A server that does not answer proves nothing: only one that answers and does not know the
        run counts as evidence, because it was started after the run was.
        """
        client = _client_of(self, run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "No code location started it.")
        try:
            known = _knows(client, run.run_id)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The code location does not answer.")
        if known:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        gone = "The code location was restarted, or its process ended without a word."
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, gone)


def _client_of(launcher: DefaultRunLauncher, run_id: str) -> "DagsterGrpcClient | None":
    # What `terminate` asks with; untyped in Dagster.
    ask = launcher._get_grpc_client_for_termination  # noqa: SLF001  # as above
    found: DagsterGrpcClient | None = ask(run_id)  # type: ignore[no-untyped-call]  # as above
    return found


def _knows(client: "DagsterGrpcClient", run_id: str) -> bool:
    answer = client.can_cancel_execution(
        CanCancelExecutionRequest(run_id=run_id), timeout=_PATIENCE_S
    )
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel
