"""Dagster's SQLite files are opened once by a process, and what is asked of them stays true."""

import inspect
import logging
import os
import sqlite3
from pathlib import Path
from threading import Timer

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import text

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.orchestration.connections import KeptConnections

# The minor versions on which every test of this file was seen to pass.
KNOWN_ON = ("1.13.",)
ADVICE = (
    f"Dagster {dg.__version__} is not one of {KNOWN_ON}x, on which orchestration/connections.py is "
    "known to work: it replaces `create_engine` in Dagster's SQLite storages. If every other test "
    "of this file passes, add the version to KNOWN_ON; else mend connections.py, which does it."
)


@pytest.fixture
def engines():
    return KeptConnections()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/one.db"


def ask(engine, words, **values):
    with engine.connect() as connection, connection.begin():
        connection.execute(text(words), values)


def number(engine):
    with engine.connect() as connection:
        return connection.execute(text("select n from t")).scalar()


def fill(engine, n):
    ask(engine, "create table t (n integer)")
    ask(engine, "insert into t values (:n)", n=n)


def test_this_dagster_is_a_known_one():
    assert dg.__version__.startswith(KNOWN_ON), ADVICE


@pytest.mark.parametrize("module", [sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage])
def test_dagster_makes_its_engines_by_the_name_that_is_replaced(module):
    assert "create_engine(" in inspect.getsource(module), ADVICE


def test_a_graph_opens_each_file_once(tmp_path, monkeypatch):
    opened = []
    real = sqlite3.connect

    def counting(path, *args, **options):
        opened.append(os.fspath(path))
        return real(path, *args, **options)

    @dg.asset
    def made():
        return 1

    with open_instance(Layout(tmp_path)) as instance:
        dg.materialize([made], instance=instance)
        monkeypatch.setattr("sqlite3.connect", counting)
        monkeypatch.setattr("sqlite3.dbapi2.connect", counting)
        run = dg.materialize([made], instance=instance).run_id
        assert len(instance.fetch_materializations(dg.AssetKey("made"), limit=9).records) == 2
    # Only the file of the second run is new.
    assert opened, "the way SQLAlchemy connects changed: this test sees nothing"
    assert {path for path in opened if run not in path} == set()


def test_a_kept_engine_sees_what_another_process_writes(engines, url, tmp_path):
    fill(engines(url), 1)
    other = sqlite3.connect(tmp_path / "one.db")
    with other:
        other.execute("update t set n = 2")
    other.close()
    assert engines(url) is engines(url)
    assert number(engines(url)) == 2


def test_disposing_of_it_closes_nothing(engines, url):
    fill(engines(url), 1)
    connections = set()
    for _ in range(3):
        with engines(url).connect() as connection:
            connections.add(id(connection.connection.dbapi_connection))
        engines(url).dispose()
    assert len(connections) == 1


def test_a_file_that_was_made_anew_is_another_one(engines, url, tmp_path):
    fill(engines(url), 1)
    assert number(engines(url)) == 1
    (tmp_path / "one.db").rename(tmp_path / "gone.db")
    fill(engines(url), 2)
    assert number(engines(url)) == 2


def test_files_of_the_past_are_closed(engines, tmp_path):
    def descriptors():
        files = [file.resolve() for file in Path("/proc/self/fd").iterdir()]
        return sum(tmp_path in file.parents for file in files)

    counts = []
    for k in range(30):
        fill(engines(f"sqlite:///{tmp_path}/{k}.db"), k)
        counts.append(descriptors())
    assert counts[-1] == counts[9]


def test_closing_says_nothing_that_would_be_written_through_what_is_being_closed(engines, tmp_path):
    """What our loggers say during a run, Dagster writes by these engines, under its own lock."""
    said = []

    class Listener(logging.Handler):
        def emit(self, record):
            said.append(record.getMessage())

    logger, listener = logging.getLogger("biomass_pipeline"), Listener(level=0)
    before = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        for k in range(20):
            fill(engines(f"sqlite:///{tmp_path}/{k}.db"), k)
    finally:
        logger.removeHandler(listener)
        logger.setLevel(before)
    assert said == []


def test_a_fork_neither_uses_nor_closes_what_its_parent_has_open(engines, url):
    fill(engines(url), 1)
    mine = engines(url)
    child = os.fork()
    if child == 0:
        os._exit(0 if engines(url) is not mine and number(engines(url)) == 1 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # SQLite drops a process's locks with the first descriptor that it closes: this one must live.
    assert number(mine) == 1
    ask(mine, "update t set n = 3")
    assert number(engines(url)) == 3


def test_a_database_that_is_locked_for_a_while_is_waited_for(engines, url, tmp_path):
    engine = engines(url)
    fill(engine, 1)
    other = sqlite3.connect(tmp_path / "one.db", check_same_thread=False)
    other.execute("begin exclusive")
    # Longer than SQLite waits by itself.
    Timer(6.0, other.rollback).start()
    ask(engine, "update t set n = 2")
    other.close()
    assert number(engine) == 2
