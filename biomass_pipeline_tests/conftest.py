"""What every test shares: hypothesis' profile, isolation, and a way to leave figures blank."""

import gc
import os
import threading
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import settings
from matplotlib.figure import Figure

from biomass_pipeline_tests.guard import ALONE, isolated

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

ROOMS = Path(__file__).parent
# Coverage is asked of the domain's rooms, whose tests are others. Tracing all of Dagster's calls
# doubles the time of a test that runs the graph.
UNTRACED = {"assets", "chaos", "cli", "deployment", "docs", "e2e", "fuzz", "orchestration"}
# A law that is tried on hundreds of examples has gone by then where it goes; tracing the rest of
# them doubles its time and finds nothing.
TRACED_S = 1.0
# Which files begin first where several processes share the tests: one that takes minutes, and began
# last, would be waited for alone.
FIRST = ("e2e", "slow")


def pytest_collection_modifyitems(config, items):
    """Bring what takes long to the front, file by file, where processes share the tests."""
    if not hasattr(config, "workerinput"):
        return
    ranks = {}
    for item in items:
        marks = [name in {mark.name for mark in item.iter_markers()} for name in FIRST]
        rank = marks.index(True) if any(marks) else len(FIRST)
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def pytest_collection_finish():
    """Set what is imported aside for good, so that collecting garbage does not walk through it.

    Torch, Dagster and pandas are a million objects that no test gives back; looking at them again
    and again took a third of the time of tests that run the graph.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure():
    """Give it back, or libraries take what is set aside for leaked as Python ends."""
    gc.unfreeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Trace what counts, and no longer than it tells something."""
    tracer = Coverage.current()
    if tracer is None:
        return (yield)
    untraced = _room_of(item.path) in UNTRACED
    limit = threading.Timer(0 if untraced else TRACED_S, tracer.stop)
    limit.start()
    try:
        return (yield)
    finally:
        limit.cancel()
        limit.join()
        if Coverage.current() is not tracer:
            tracer.start()


def _room_of(path):
    """The folder of tests that a file is in; empty for the examples in docstrings."""
    return path.relative_to(ROOMS).parts[0] if path.is_relative_to(ROOMS) else ""


@pytest.fixture(scope="session", autouse=True)
def _isolation(tmp_path_factory):
    """No network; and where a run is asked to answer for it, nothing left at its end."""
    tmp_path_factory.getbasetemp()  # where it has always been
    with isolated() as left:
        yield
    assert not (left and os.environ.get(ALONE)), "\n".join(left)


@pytest.fixture(scope="module")
def blank_figures():
    """Figures on which nothing is painted: for tests of what runs, not of what is seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "draw", lambda *_, **__: None)
        yield
