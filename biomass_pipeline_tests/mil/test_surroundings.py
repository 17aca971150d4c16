import logging
import os
import queue
import threading

import pytest
import torch
from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread

from biomass_pipeline.mil.surroundings import (
    deterministic,
    quiet_lightning,
    quiet_log_writers,
    seeded,
    torch_threads,
)


def test_chance_is_seeded_inside_and_given_back_after():
    before = torch.get_rng_state()
    drawn = []
    for _ in range(2):
        with seeded(3, torch.device("cpu")):
            drawn.append(torch.rand(4))
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(params=[True, False])
def before(request):
    """What the caller had asked for."""
    torch.use_deterministic_algorithms(mode=request.param, warn_only=request.param)
    yield request.param
    torch.use_deterministic_algorithms(mode=False)


def fail_inside():
    with deterministic(wanted=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        raise ArithmeticError


def test_determinism_is_asked_for_inside_and_given_back_even_after_an_error(before):
    with pytest.raises(ArithmeticError):
        fail_inside()
    assert torch.are_deterministic_algorithms_enabled() == before
    assert torch.is_deterministic_algorithms_warn_only_enabled() == before
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_a_workspace_that_is_set_is_left_alone(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with deterministic(wanted=True):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_what_is_not_wanted_changes_nothing():
    with deterministic(wanted=False):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("threads", [1, None])
def test_threads_are_given_back(threads):
    before = torch.get_num_threads()
    with torch_threads(threads):
        assert torch.get_num_threads() == (threads or before)
    assert torch.get_num_threads() == before


def test_lightning_is_quiet_inside_only():
    logger = logging.getLogger("pytorch_lightning")
    before = logger.level
    with quiet_lightning():
        assert logger.level == logging.WARNING
    assert logger.level == before


@pytest.fixture
def unhandled(monkeypatch):
    """What threads died of and nobody asked about."""
    found = []
    monkeypatch.setattr(threading, "excepthook", lambda died: found.append(died.exc_value))
    return found


class _Full:
    """A disk without room."""

    def write(self, data):
        raise OSError(28, "No space left on device")


def test_what_a_log_dies_of_is_remembered_by_its_writer_and_not_printed(unhandled):
    lines = queue.Queue()
    with quiet_log_writers():
        writer = _AsyncWriterThread(lines, _Full(), 60)
        writer.start()
        lines.put(b"a line")
        writer.join(timeout=30)
    assert isinstance(writer.exception, OSError)
    assert unhandled == []


def test_what_other_threads_die_of_is_told_as_before(unhandled):
    with quiet_log_writers():
        thread = threading.Thread(target=divmod, args=(1, 0))
        thread.start()
        thread.join()
    assert [type(error) for error in unhandled] == [ZeroDivisionError]
