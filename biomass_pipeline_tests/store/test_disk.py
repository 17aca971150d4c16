"""A disk or folder that refuses: one sentence, the old file as it was, nothing half taken whole."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from biomass_pipeline.errors import MissingCacheError, UnwritableCacheError
from biomass_pipeline.store import disk
from biomass_pipeline.store.disk import write_at, writing
from biomass_pipeline_tests.store.fold import (
    STAMP,
    ByContent,
    final_of,
    fold_of,
    folder_at,
    names,
    write,
)

SMALL, LARGE = (("a", "c1"),), (("a", "c1"), ("b", "c2"), ("c", "c3"))

# Writes a fold under a limit, and says what it met; no traceback, no crash of HDF5 at its end.
LIMITED = """
import json, os, resource
from biomass_pipeline.errors import BiomassError
from biomass_pipeline_tests.store.fold import fold_of, folder_at, write

contents = fold_of(("a", "c1"), ("b", "c2"), ("c", "c3"), tiles={tiles})
{limit}
try:
    write(folder_at({place!r}), 0, contents)
    print(json.dumps("written"))
except BiomassError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
DISK_BYTES = 4 * 2**20
AS_NOBODY = "os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else ""


def told(place, limit, *, tiles=2):
    """What a process under this limit met."""
    code = LIMITED.format(limit=limit, place=str(place), tiles=tiles)
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return json.loads(ended.stdout)


@pytest.fixture
def shared():
    """A folder that other users may enter, with a small fold in it."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        write(folder_at(name), 0, fold_of(*SMALL))
        yield Path(name)
        for path in [Path(name), *Path(name).rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)


def expect(met, *words):
    kind, sentence = met
    assert kind == "UnwritableCacheError"
    for word in (*words, "What was cached before is as it was", "run `biomass run` again"):
        assert word in sentence


@pytest.mark.parametrize("limit_bytes", [100, 3_000, 40_000])
def test_a_file_that_may_not_grow_further(tmp_path, limit_bytes):
    """The limit is met while the file is laid out, so before anything is embedded."""
    folder = folder_at(tmp_path)
    write(folder, 0, fold_of(*SMALL))
    before = final_of(folder).read_bytes()
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))"
    expect(told(tmp_path, limit, tiles=9_000), "file too large", "Free space on the disk")
    assert final_of(folder).read_bytes() == before
    _, asked = write(folder, 0, fold_of(*LARGE))
    assert asked == ["c2", "c3"]
    assert names(tmp_path) == ["fold_0.h5"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", place],  # noqa: S607  # found in PATH
        capture_output=True,
        check=False,
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", place], check=True)  # noqa: S607  # as above


class TestDiskFull:
    def test_it_is_found_before_anything_is_embedded(self, small_disk):
        folder = folder_at(small_disk)
        write(folder, 0, fold_of(*SMALL))
        contents = fold_of(*LARGE, tiles=60_000)
        embedder = ByContent(contents)
        with pytest.raises(UnwritableCacheError, match=r"no space left on device.*Free space"):
            folder.write(0, contents, stamp=STAMP, embedder=embedder, max_refused=0)
        assert embedder.asked == []
        assert folder.open(0, STAMP.fingerprint).load().image_ids == ("a",)
        _, asked = write(folder, 0, fold_of(*LARGE))
        assert asked == ["c2", "c3"]

    def test_where_space_cannot_be_reserved_what_fits_is_kept(self, small_disk, monkeypatch):
        folder = folder_at(small_disk)
        contents = fold_of(*LARGE, tiles=9_000)
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(DISK_BYTES - 660_000))
        monkeypatch.setattr("biomass_pipeline.store.partial.reserve", lambda file: None)
        with pytest.raises(UnwritableCacheError, match="no space left on device"):
            write(folder, 0, contents, tiles_a_block=500)
        with pytest.raises(MissingCacheError):
            folder.open(0, STAMP.fingerprint)
        ballast.unlink()
        embedder = ByContent(contents)
        written = folder.write(0, contents, stamp=STAMP, embedder=embedder, max_refused=0)
        assert 0 < embedder.n_tiles < 27_000
        written.cache.check_whole()


def test_a_read_only_folder(shared):
    place = final_of(folder_at(shared)).parent
    before = final_of(folder_at(shared)).read_bytes()
    place.chmod(0o555)
    (place / ".fold_0.lock").unlink()
    expect(told(shared, AS_NOBODY), "permission denied", f"Make {place} writable")
    assert final_of(folder_at(shared)).read_bytes() == before


def test_a_lock_of_somebody_else(shared):
    place = final_of(folder_at(shared)).parent
    place.chmod(0o777)
    if not AS_NOBODY:
        # Who may not become somebody else is shut out by the file's own rights.
        (place / ".fold_0.lock").chmod(0o000)
    expect(told(shared, AS_NOBODY), "permission denied", f"Make {place} writable")
    assert names(shared) == ["fold_0.h5"]


def test_a_folder_that_cannot_be_made(shared):
    shutil.rmtree(shared / "features")
    shared.chmod(0o555)
    expect(told(shared, AS_NOBODY), "permission denied", "or set another `root`")


def test_a_folder_that_disappears_meanwhile(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(*LARGE)

    class Removing(ByContent):
        def embed(self, wanted):
            for block in super().embed(wanted):
                yield block
                shutil.rmtree(tmp_path / "features", ignore_errors=True)

    with pytest.raises(UnwritableCacheError, match=r"no such file or directory.*disappeared"):
        folder.write(0, contents, stamp=STAMP, embedder=Removing(contents), max_refused=0)
    assert names(tmp_path) == []
    _, asked = write(folder, 0, contents)
    assert asked == ["c1", "c2", "c3"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_cannot_reserve_is_no_error(tmp_path, monkeypatch, number):
    def cannot(*_):
        raise OSError(number, "no")

    monkeypatch.setattr(disk.os, "posix_fallocate", cannot)
    write(folder_at(tmp_path), 0, fold_of(*SMALL))
    monkeypatch.delattr(disk.os, "posix_fallocate")
    write(folder_at(tmp_path), 1, fold_of(*LARGE))


def test_a_write_that_takes_a_part_goes_on_after_it():
    class Reluctant(BytesIO):
        def write(self, data):
            return super().write(bytes(data[:3]))

    file = Reluctant(bytes(10))
    write_at(file, 2, memoryview(np.arange(1, 8, dtype=np.uint8)))
    assert file.getvalue() == bytes([0, 0, 1, 2, 3, 4, 5, 6, 7, 0])


def test_a_disk_that_fails_is_named(tmp_path):
    with (
        pytest.raises(UnwritableCacheError, match=r"x.h5 cannot be written: input/output error"),
        writing(tmp_path / "x.h5"),
    ):
        raise OSError(errno.EIO, "no")


def test_what_hdf5_says_in_words_is_understood(tmp_path):
    error = RuntimeError("Can't write data (file write failed: errno = 28, error message = 'No')")
    with pytest.raises(UnwritableCacheError, match="no space left"), writing(tmp_path / "x.h5"):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MissingCacheError(Path("x"))])
def test_what_is_not_about_the_disk_passes(tmp_path, error):
    with pytest.raises(type(error)) as raised, writing(tmp_path):
        raise error
    assert raised.value is error
