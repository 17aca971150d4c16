"""The check of a file's structure: of all its bytes that are not a dataset's own.

HDF5 has checksums of its structure, but none of the heap that holds the texts of attributes, and
damage there can keep it reading for ever. So this is looked at before any attribute is.
"""

import os
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import h5py
import numpy as np

from biomass_pipeline.store.checks import WRITTEN
from biomass_pipeline.store.disk import write_at

STRUCTURE_CHECK = "structure_check"


def make_room(file: h5py.File) -> None:
    """Lay out the place of the check; it is filled in when the file is closed."""
    file.create_dataset(STRUCTURE_CHECK, data=np.zeros(1, np.uint64))


def seal(path: Path) -> None:
    """Write the check of a file that was laid out and closed."""
    with h5py.File(path, "r", libver="latest") as file:
        place, check = file[STRUCTURE_CHECK].id.get_offset(), _check(file)
    with path.open("r+b", buffering=0) as raw:
        write_at(raw, place, np.array([check], np.uint64).data)


def is_sound(file: h5py.File) -> bool:
    """Whether an opened file has the structure that it was given; one made elsewhere may not say.

    Raises:
        KeyError, OSError: HDF5 finds damage itself.
    """
    if STRUCTURE_CHECK not in file:
        return True
    return int(file[STRUCTURE_CHECK][0]) == _check(file)


def _check(file: h5py.File) -> int:
    """2^32 + CRC-32 of the bytes between the datasets' data.

    Read from what HDF5 has open: the name may stand for the next version by now.
    """
    descriptor = file.id.get_vfd_handle()
    # Not `values()`, which gives None for what cannot be opened.
    datasets = [file[name] for name in file]
    data = sorted(
        (part.id.get_offset(), part.id.get_storage_size()) for part in datasets if part.size
    )
    end = os.fstat(descriptor).st_size
    edges = [(0, 0), *((start, start + size) for start, size in data), (end, end)]
    found = 0
    for (_, stop), (start, _) in pairwise(edges):
        found = crc32(os.pread(descriptor, start - stop, stop), found)
    return WRITTEN + found
