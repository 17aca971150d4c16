"""LMDB: one file, `fold_0.lmdb`, an entry an array of a photo, such as `00000000/features.npy`.

The library follows the file's page numbers unseen: one that is cut ends the process with a bus
error, and one that was made to do harm does worse. So every page is looked at first, by the
library's own verifier, which is plain Python.
"""

import os
from contextlib import closing
from pathlib import Path

import lmdb
from lmdb.verify import VerifyError, verify

from biomass_pipeline.store.formats.arrays import Gathering, most_bytes, sample_of
from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Record

FAILURES: tuple[type[Exception], ...] = (lmdb.Error, VerifyError)
_PAGE_BYTES = 4096
# Of a photo: three arrays, and its id.
_ENTRIES = 4
# The tree above the entries, and what is written twice in one transaction.
_ROOM_BYTES = 16 * 2**20


def write(parcel: Parcel, place: Path) -> None:
    """Write the file in one transaction."""
    sizes = [array.nbytes for array in parcel.columns()]
    # Each entry begins a page of its own, and needs a place in the tree.
    pages = sum(sizes) // _PAGE_BYTES + 8 * (parcel.n_photos + 1)
    room = 2 * pages * _PAGE_BYTES + _ROOM_BYTES
    environment = lmdb.open(os.fspath(_file(place)), subdir=False, lock=False, map_size=room)
    with closing(environment), environment.begin(write=True) as entries:
        for photo in range(parcel.n_photos):
            for name, data in sorted(sample_of(parcel, photo).items()):
                # In order, so that pages are filled one after another.
                entries.put(_key(photo, name), data)


def read(place: Path, record: Record) -> Columns:
    """Read it; there is no lock to be had on it, and nobody who writes."""
    problems = verify(os.fspath(_file(place)), subdir=False)  # type: ignore[no-untyped-call]  # it has no types
    if problems:
        msg = f"it is no sound LMDB file: {problems[0]}"
        raise ValueError(msg)
    rows = Gathering(record)
    environment = lmdb.open(
        os.fspath(_file(place)), subdir=False, lock=False, readonly=True, create=False
    )
    with closing(environment), environment.begin(buffers=True) as entries:
        if entries.stat()["entries"] != _ENTRIES * len(record.image_id):
            msg = "it has other entries than those of the record's photos"
            raise ValueError(msg)
        for photo in range(len(record.image_id)):
            rows.take(photo, _sample(entries, photo, record))
    return rows.columns()


def _sample(entries: lmdb.Transaction, photo: int, record: Record) -> dict[str, bytes]:
    """One photo's entries, none longer than it may be."""
    found: dict[str, bytes] = {}
    for name, most in most_bytes(record, photo).items():
        data = entries.get(_key(photo, name))
        if data is None or len(data) > most:
            msg = f"{name} of photo {record.image_id[photo]} is missing or too long"
            raise ValueError(msg)
        found[name] = bytes(data)
    return found


def _key(photo: int, name: str) -> bytes:
    return f"{photo:08d}/{name}".encode()


def _file(place: Path) -> Path:
    return place.with_name(f"{place.name}.lmdb")
