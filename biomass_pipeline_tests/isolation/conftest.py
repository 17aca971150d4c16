"""Whether anything of a crew is left."""

import os
from pathlib import Path

import pytest


def children():
    """Processes of ours that are there or were not waited for."""
    return {
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if _parent(stat) == os.getpid()
    }


def _parent(stat):
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def left():
    """What a crew may leave: processes, names in shared memory, open files."""
    shared = {each.name for each in Path("/dev/shm").glob("*")}  # noqa: S108  # it is looked at only
    return children(), shared, len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def nothing_left():
    """Fail if a module's tests leave a process, a name in shared memory or an open file."""
    before_children, before_shared, before_files = left()
    yield
    after_children, after_shared, after_files = left()
    assert after_children <= before_children
    # Others on this machine may use it too.
    assert not {name for name in after_shared - before_shared if "biomass" in name}
    assert after_files <= before_files
