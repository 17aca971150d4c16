"""LMDB: one file, `fold_0.lmdb`, an entry an array of a photo, such as `00000000/features.npy`."""

import os
from contextlib import closing
from pathlib import Path

import lmdb

from biomass_pipeline.store.formats.arrays import HEADER_BYTES, Gathering, bag_bytes
from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Record

FAILURES: tuple[type[Exception], ...] = (lmdb.Error,)
_PAGE_BYTES = 4096
# The tree above the entries, and what is written twice in one transaction.
_ROOM_BYTES = 16 * 2**20


def write(parcel: Parcel, place: Path) -> None:
    """Write the file in one transaction."""
    sizes = [array.nbytes for array in parcel.columns()]
    # Each entry begins a page of its own, and needs a place in the tree.
    pages = sum(sizes) // _PAGE_BYTES + 8 * (parcel.n_photos + 1)
    room = {"map_size": 2 * pages * _PAGE_BYTES + _ROOM_BYTES}
    environment = lmdb.open(os.fspath(_file(place)), subdir=False, lock=False, **room)
    with closing(environment), environment.begin(write=True) as entries:
        for photo in range(parcel.n_photos):
            for name, data in bag_bytes(parcel.bag(photo)).items():
                # In order, so that pages are filled one after another.
                entries.put(_key(photo, name), data)


def read(place: Path, record: Record) -> Columns:
    """Read it; there is no lock to be had on it, and nobody who writes."""
    rows = Gathering(record)
    environment = lmdb.open(
        os.fspath(_file(place)), subdir=False, lock=False, readonly=True, create=False
    )
    with closing(environment), environment.begin(buffers=True) as entries:
        for photo in range(len(record.image_id)):
            rows.take(photo, _bag(entries, photo, record))
    return rows.columns()


def _bag(entries: lmdb.Transaction, photo: int, record: Record) -> dict[str, bytes]:
    """One photo's entries, none longer than it may be."""
    found: dict[str, bytes] = {}
    for name, promise in record.promises(photo).items():
        data = entries.get(_key(photo, f"{name}.npy"))
        if data is None or len(data) > promise.n_bytes + HEADER_BYTES:
            msg = f"the {name} of photo {record.image_id[photo]} are missing or too long"
            raise ValueError(msg)
        found[f"{name}.npy"] = bytes(data)
    return found


def _key(photo: int, name: str) -> bytes:
    return f"{photo:08d}/{name}".encode()


def _file(place: Path) -> Path:
    return place.with_name(f"{place.name}.lmdb")
