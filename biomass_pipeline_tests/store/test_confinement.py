"""A cache that leads to other files or to code is refused by name, before any of them is opened."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import biomass_pipeline
from biomass_pipeline.errors import DamagedCacheError, UnsafeCacheError
from biomass_pipeline.store import open_cache
from biomass_pipeline_tests.store.fold import STAMP, fold_of, folder_at, write

ROOT = Path(biomass_pipeline.__file__).parents[1]
# A filter of HDF5's registry that neither HDF5 nor h5py brings along: bzip2.
BZIP2 = 307


def as_virtual(file, target):
    layout = h5py.VirtualLayout(shape=(4, 2), dtype="f4")
    layout[:] = h5py.VirtualSource(target, "features", shape=(4, 2))
    file.create_virtual_dataset("features", layout)


def as_growing_virtual(file, target):
    """One whose very shape is known only from its sources."""
    layout = h5py.VirtualLayout(shape=(4, 2), dtype="f4", maxshape=(None, 2))
    source = h5py.VirtualSource(target, "features", shape=(4, 2), maxshape=(None, 2))
    layout[: h5py.h5s.UNLIMITED, :] = source[: h5py.h5s.UNLIMITED, :]
    file.create_virtual_dataset("features", layout)


def as_external_storage(file, target):
    file.create_dataset("features", (4, 2), "f4", external=[(target, 0, 32)])


def as_external_link(file, target):
    file["features"] = h5py.ExternalLink(target, "features")


def as_soft_link(file, target):
    del target
    file["features"] = h5py.SoftLink("/coords")


def as_group(file, target):
    file.create_group("features")["inner"] = h5py.ExternalLink(target, "features")


def as_plugin(file, target):
    del target
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((1, 2))
    creation.set_filter(BZIP2, h5py.h5z.FLAG_OPTIONAL, (9,))
    space = h5py.h5s.create_simple((4, 2))
    h5py.h5d.create(file.id, b"features", h5py.h5t.NATIVE_FLOAT, space, dcpl=creation)


def structure_as_external_link(file, target):
    """In the place that is asked for first, before any attribute is looked at."""
    file["features"] = np.zeros((4, 2), np.float32)
    del file["structure_check"]
    file["structure_check"] = h5py.ExternalLink(target, "structure_check")


WAYS = {
    as_virtual: "`features` is put together from other files",
    as_growing_virtual: "`features` is put together from other files",
    as_external_storage: "`features` keeps its numbers in another file",
    as_external_link: "`features` is a link, which may lead to any file",
    as_soft_link: "`features` is a link",
    as_group: "`features` is no dataset",
    as_plugin: rf"`features` can only be read by running a plugin \(filter {BZIP2}\)",
    structure_as_external_link: "`structure_check` is a link",
}


def tampered(folder, way, target):
    """A cache whose features are somewhere else; its check of structure is gone with them."""
    cache = write(folder_at(folder), 0, fold_of(("a", "c1"), ("b", "c2")))[0].cache
    with h5py.File(cache.path, "r+", libver="latest") as file:
        del file["features"]
        if way is not structure_as_external_link:
            del file["structure_check"]
        way(file, os.fsencode(target) if way is as_external_storage else str(target))
    return cache.path


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_leads_out_of_the_file_is_refused_by_name(way, tmp_path):
    path = tampered(tmp_path, way, tmp_path / "elsewhere.h5")
    with pytest.raises(UnsafeCacheError, match=WAYS[way]) as caught:
        open_cache(path, STAMP.fingerprint)
    assert str(path) in str(caught.value)


def test_nothing_that_it_leads_to_is_opened(tmp_path):
    """Each leads to a pipe that nobody writes: whoever opens it waits for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    paths = [str(tampered(tmp_path / way.__name__, way, pipe)) for way in WAYS]
    code = (
        "import sys; from pathlib import Path; from biomass_pipeline.store import open_cache\n"
        "from biomass_pipeline.errors import UnsafeCacheError\n"
        "for path in sys.argv[2:]:\n"
        "    try: open_cache(Path(path), sys.argv[1])\n"
        "    except UnsafeCacheError: print('refused')\n"
    )
    command = [sys.executable, "-c", code, STAMP.fingerprint, *paths]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["refused"] * len(WAYS), done.stderr


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"scaleoffset": 3},
        {"chunks": (1, 2)},
    ],
)
def test_what_hdf5_brings_along_is_read(options, tmp_path):
    path = tampered(tmp_path, lambda *_: None, tmp_path)
    with h5py.File(path, "r+", libver="latest") as file:
        file.create_dataset("features", data=np.ones((4, 2), np.float32), **options)
    cache = open_cache(path, STAMP.fingerprint)
    assert cache.load().features.tolist() == cache.memory_map().features.tolist() == [[1, 1]] * 4


def test_a_refused_file_is_treated_as_a_damaged_one(tmp_path):
    """It is reported, set aside by `cache verify --repair`, and made again."""
    tampered(tmp_path, as_external_link, tmp_path / "elsewhere.h5")
    written, asked = write(folder_at(tmp_path), 0, fold_of(("a", "c1"), ("b", "c2")))
    assert issubclass(UnsafeCacheError, DamagedCacheError)
    assert asked == ["c1", "c2"]
    written.cache.check_whole()
