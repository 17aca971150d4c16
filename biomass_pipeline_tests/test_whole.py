"""A file is there whole or not at all."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from biomass_pipeline.whole import whole_folder, write_whole

# Says that it is half-way, and waits to be killed.
HALF = """
import sys, time
from pathlib import Path
from biomass_pipeline.whole import whole_folder, write_whole

def write(partial):
    partial.write_text("half")
    print("half", flush=True)
    time.sleep(60)

write_whole(Path(sys.argv[1]), write)
"""


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.txt"
    write_whole(path, lambda partial: partial.write_text("old"))

    def fail(partial):
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["table.txt"]


def test_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_whole(path, lambda partial: partial.write_text("new"))
    assert path.read_text() == "new"


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("old")
    writer = subprocess.Popen([sys.executable, "-c", HALF, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"half\n"
    living = HALF.replace("half", "living")
    other = subprocess.Popen([sys.executable, "-c", living, str(path)], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"living\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert path.read_text() == "old"
    assert texts(tmp_path) == ["half", "living", "old"]
    # The next writer clears away what the dead one left, and not what a living one writes.
    write_whole(path, lambda partial: partial.write_text("new"))
    assert texts(tmp_path) == ["living", "new"]
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    other.stdout.close()


def texts(folder):
    return sorted(file.read_text() for file in folder.iterdir())


def test_a_partial_file_of_another_place_is_left(tmp_path):
    left = [tmp_path / "table.parquet.1-1.partial", tmp_path / "other.txt.1-1.partial"]
    for file in left:
        file.touch()
    write_whole(tmp_path / "table.txt", lambda partial: partial.write_text("new"))
    assert all(file.exists() for file in left)


def test_a_file_system_without_locks_will_do(tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    path = tmp_path / "table.txt"
    left = tmp_path / "table.txt.1-1.partial"
    left.touch()
    monkeypatch.setattr(fcntl, "flock", refuses)
    write_whole(path, lambda partial: partial.write_text("new"))
    assert path.read_text() == "new"
    # Nobody can tell whether its writer is dead.
    assert left.exists()


def test_a_file_taken_for_abandoned_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    flock, taken = fcntl.flock, []

    def late(descriptor, how):
        if not taken:
            taken.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            taken[0].unlink()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_whole(tmp_path / "table.txt", lambda partial: partial.write_text("new"))
    assert texts(tmp_path) == ["new"]


def test_writers_with_one_number_on_two_machines_do_not_share_a_partial_file(tmp_path):
    path = tmp_path / "table.txt"
    partials = []

    def write(partial):
        partials.append(partial)
        if len(partials) == 1:
            write_whole(path, write)
        partial.write_text(f"whole {len(partials)}")

    write_whole(path, write)
    assert len(set(partials)) == 2
    assert path.read_text() == "whole 2"
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_writers_at_once_one_wins_whole(tmp_path):
    path = tmp_path / "table.txt"
    texts = [str(digit) * 100_000 for digit in range(8)]

    def write(text):
        write_whole(path, lambda partial: partial.write_text(text))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, texts))
    assert path.read_text() in texts
    assert [file.name for file in tmp_path.iterdir()] == ["table.txt"]


class TestFolder:
    """A folder that is written whole."""

    def test_it_takes_an_earlier_ones_place_once_it_is_full(self, tmp_path):
        folder = tmp_path / "deep" / "folder"
        for text in ("first", "second"):
            with whole_folder(folder) as partial:
                (partial / text).touch()
                assert not (folder / text).exists()
            assert [path.name for path in folder.iterdir()] == [text]
        assert [path.name for path in folder.parent.iterdir()] == ["folder"]

    def test_one_that_fails_leaves_the_earlier_one_and_nothing_else(self, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "kept").touch()
        with pytest.raises(FileNotFoundError), whole_folder(folder) as partial:
            (partial / "half").rename(partial / "no" / "such")
        assert [path.name for path in tmp_path.rglob("*")] == ["folder", "kept"]

    def test_a_place_that_is_refused_at_the_last_moment_gets_the_earlier_one_back(
        self, tmp_path, monkeypatch
    ):
        folder, rename = tmp_path / "folder", Path.rename
        folder.mkdir()
        (folder / "kept").touch()

        def refuse(path, target):
            if path.suffix == ".partial":
                raise OSError(errno.EIO, "Input/output error")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", refuse)
        with pytest.raises(OSError, match="Input"), whole_folder(folder):
            pass
        assert [path.name for path in tmp_path.rglob("*")] == ["folder", "kept"]
