"""One writer a fold; a dead one is in nobody's way."""

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from biomass_pipeline.errors import BusyCacheError, UnlockableFolderError
from biomass_pipeline.store.locks import fold_lock, holder_of, is_locked, signed_by, waiting_lock
from biomass_pipeline_tests.store.fold import final_of, fold_of, folder_at, names, write

# Says when it holds the fold, in the middle of an extraction, and stays there.
STUCK = """
import sys, time
from biomass_pipeline_tests.store.fold import STAMP, ByContent, fold_of, folder_at

class Stuck(ByContent):
    def embed(self, wanted):
        for block in super().embed(wanted):
            yield block
            print("holding", flush=True)
            time.sleep(600)

contents = fold_of(("a", "c1"), ("b", "c2"))
folder_at(".").write(0, contents, stamp=STAMP, embedder=Stuck(contents), max_refused=0)
"""


@contextmanager
def another_writer(place):
    """A process that is in the middle of fold 0."""
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        cwd=place,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "holding\n"
            yield process
        finally:
            process.kill()


def test_the_second_writer_is_refused_and_told_who_is_the_first(tmp_path):
    folder = folder_at(tmp_path)
    with another_writer(tmp_path) as process:
        assert is_locked(final_of(folder))
        who = rf"fold_0.h5 is being written by process {process.pid} on \S+, since \S+ \S+ UTC\."
        for _ in range(2):
            with pytest.raises(BusyCacheError, match=who):
                write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
        write(folder, 1, fold_of(("z", "c9")))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not is_locked(final_of(folder))
        _, asked = write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    assert asked == ["c2"]
    assert names(tmp_path) == ["fold_0.h5", "fold_1.h5"]


def test_a_fold_is_free_before_and_after_it_is_written(tmp_path):
    final = final_of(folder_at(tmp_path))
    assert not is_locked(final)
    with fold_lock(final):
        assert is_locked(final)
    assert not is_locked(final)


def test_who_waits_for_a_lock_says_for_whom_and_gets_it(tmp_path, caplog):
    path = tmp_path / "new" / ".fold_0.lock"
    order = []

    def second():
        with waiting_lock(path, what="training fold 0"):
            order.append("second")

    with caplog.at_level("INFO", logger="biomass_pipeline"):
        with waiting_lock(path, what="training fold 0"):
            owner = signed_by(path)
            assert holder_of(path) == owner
            waiting = threading.Thread(target=second)
            waiting.start()
            deadline = time.monotonic() + 60
            while not caplog.messages and time.monotonic() < deadline:
                time.sleep(0.01)
            order.append("first")
        waiting.join()
    assert order == ["first", "second"]
    assert caplog.messages == [f"training fold 0 waits for {owner}"]
    assert f"process {os.getpid()} on " in owner
    assert not holder_of(path)


def test_nobody_is_named_where_a_lock_says_nothing(tmp_path):
    path = tmp_path / ".lock"
    assert holder_of(path) == ""
    assert signed_by(path) == "another process"
    path.write_bytes(b"\xff")
    assert signed_by(path) == "another process"


def test_an_error_frees_the_fold(tmp_path):
    folder = folder_at(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write(folder, 0, fold_of(("a", "c1")), stop_after=0)
    assert not is_locked(final_of(folder))


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_none_is_made_of_a_files_being_there(
    tmp_path, monkeypatch, number
):
    def refuses(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuses)
    place = re.escape(str(final_of(folder_at(tmp_path)).parent))
    words = rf"^{place} cannot be locked: {os.strerror(number).lower()}\. .*Set `root` to a folder"
    for _ in range(2):
        with pytest.raises(UnlockableFolderError, match=words):
            write(folder_at(tmp_path), 0, fold_of(("a", "c1")))
    assert is_locked(final_of(folder_at(tmp_path)))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES])
def test_a_lock_that_cannot_be_opened_may_be_held(tmp_path, monkeypatch, number):
    write(folder_at(tmp_path), 0, fold_of(("a", "c1")))

    def refuses(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuses)
    assert is_locked(final_of(folder_at(tmp_path)))
