"""A database that is away is waited for; one that refuses a statement is not."""

import multiprocessing
import signal
import subprocess
import sys

import pytest
from dagster_postgres.utils import DagsterPostgresException
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from biomass_pipeline.deployment import storage
from biomass_pipeline.deployment.storage import PatientPostgresStorage, patient


def lost():
    return OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)


def refused():
    return OperationalError("SELECT 1", {}, Exception("statement timeout"))


class Database:
    """Fails with these errors, one a call, then answers."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def ask(self, question):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return f"answer to {question}"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time that passes only by waiting."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(storage, "time", clock)
    return clock


@given(n_errors=st.integers(0, 20))
def test_it_asks_until_there_is_an_answer(n_errors):
    database = Database(*[lost() for _ in range(n_errors)])
    assert patient(database.ask)("it") == "answer to it"
    assert database.calls == n_errors + 1


def test_a_connection_that_cannot_be_made_is_waited_for():
    database = Database(DagsterPostgresException("too many retries for DB connection"))
    assert patient(database.ask)("it") == "answer to it"


def test_a_refused_statement_is_an_error_at_once():
    database = Database(refused())
    with pytest.raises(OperationalError, match="statement timeout"):
        patient(database.ask)("it")
    assert database.calls == 1


def test_patience_ends(clock):
    database = Database(*[lost() for _ in range(10_000)])
    with pytest.raises(OperationalError, match="gone"):
        patient(database.ask)("it")
    assert storage.PATIENCE_S <= clock.now <= storage.PATIENCE_S + 1


def test_calls_within_a_call_share_its_patience(clock):
    inner = patient(Database(*[lost() for _ in range(10_000)]).ask)
    with pytest.raises(OperationalError):
        patient(lambda: inner("it"))()
    assert clock.now <= storage.PATIENCE_S + 1
    # The next call has its own.
    database = Database(lost())
    assert patient(database.ask)("it") == "answer to it"


def test_every_part_of_the_storage_is_patient():
    built = PatientPostgresStorage("postgresql+psycopg2://nobody@127.0.0.1:1/none", False)  # noqa: FBT003  # Dagster's signature
    methods = [built.run_storage.get_runs, built.event_log_storage.store_event]
    methods += [built.schedule_storage.get_ticks]
    assert all(hasattr(method, "__wrapped__") for method in methods)


def backend(connected):
    """Which process of the server answers."""
    with connected() as connection:
        return connection.execute(text("SELECT pg_backend_pid()")).scalar()


def fail_if_shared(connected, others):
    sys.exit(1 if backend(connected) in others else 0)


@pytest.mark.slow
def test_connections_are_kept_and_one_that_broke_is_exchanged_unseen(cluster, caplog):
    # Dagster opens its storage anew for each tick: two of them are of one process.
    opened = [PatientPostgresStorage(cluster.url) for _ in range(2)]
    built, events = opened[0], opened[0].event_log_storage.index_connection
    runs = opened[1].run_storage.connect
    kept = {backend(each) for each in (events, runs, events, runs)}
    assert len(kept) == 1
    # Whoever asks meanwhile gets another.
    with events():
        second = backend(runs)
    assert second not in kept
    kept.add(second)
    # A process that was forked has its own, and leaves ours alone.
    child = multiprocessing.get_context("fork").Process(target=fail_if_shared, args=(events, kept))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert backend(events) in kept

    cluster.restart(signal.SIGINT)
    assert built.run_storage.get_runs() == []
    assert backend(events) not in kept
    assert not caplog.messages


def test_the_module_needs_nothing_of_the_graph():
    # Webserver and daemon import it: they are to stay small.
    program = (
        "import sys; "
        "import biomass_pipeline.deployment.storage, biomass_pipeline.deployment.launcher; "
        "heavy = {'torch', 'pandas', 'pyarrow', 'scipy', 'cv2', 'matplotlib'}; "
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
