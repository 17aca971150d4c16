"""A file is there whole or not at all."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from biomass_pipeline.whole import write_whole

# Says that it is half-way, and waits to be killed.
HALF = """
import sys, time
from pathlib import Path
from biomass_pipeline.whole import write_whole

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
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert path.read_text() == "old"


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
