"""WebDataset: tar shards, a sample a photo: arrays as .npy, its id as .json. Nothing is decoded.

The library's decoders would unpickle what a member's name asks for, and its addresses may start
programs. So only its reader of tar files and its grouping into samples are used, on files that were
opened here, and only after every member's head was looked at.
"""

import tarfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import webdataset
from webdataset.tariterators import group_by_keys, tar_file_expander

from biomass_pipeline.store.formats.arrays import Gathering, most_bytes, sample_of
from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Record

FAILURES: tuple[type[Exception], ...] = (tarfile.TarError,)
# As large as shards mostly are, so that a few readers have one each.
_SHARD_BYTES = 256 * 2**20


def write(parcel: Parcel, place: Path) -> None:
    """Write shards, `fold_0.000000.tar` and so on, with samples `00000000`, `00000001`..."""
    photos = iter(range(parcel.n_photos))
    photo = next(photos, None)
    for number in count():
        shard = place.with_name(f"{place.name}.{number:06d}.tar")
        # The time is left out, so that equal features give equal shards.
        with (
            shard.open("wb") as stream,
            webdataset.TarWriter(stream, encoder=False, mtime=0.0) as tar,
        ):
            n_bytes = 0
            while photo is not None and n_bytes < _SHARD_BYTES:
                n_bytes += tar.write({"__key__": f"{photo:08d}", **sample_of(parcel, photo)})
                photo = next(photos, None)
        if photo is None:
            return


def read(place: Path, record: Record) -> Columns:
    """Read all shards."""
    rows = Gathering(record)
    for shard in sorted(place.parent.glob(f"{place.name}.*.tar")):
        _check_heads(shard, record)
        for sample in _samples(shard):
            rows.take(int(sample["__key__"]), sample)
    return rows.columns()


def _samples(shard: Path) -> Iterator[dict[str, bytes]]:
    with shard.open("rb") as stream:
        yield from group_by_keys(tar_file_expander([{"url": shard.name, "stream": stream}]))


def _check_heads(shard: Path, record: Record) -> None:
    """Make sure that a shard holds nothing but small enough members of photos of the record.

    Raises:
        ValueError: It holds a link, a device, a sparse file, a stranger or something too long.
    """
    with tarfile.open(shard, "r:") as tar:
        for member in tar:
            if not member.isreg() or member.issparse():
                msg = f"member {member.name!r} is no plain file"
                raise ValueError(msg)
            if member.size > _most_bytes(member.name, record):
                msg = f"member {member.name!r} is longer than it may be"
                raise ValueError(msg)


def _most_bytes(name: str, record: Record) -> int:
    """How long a member may be."""
    key, _, kind = name.partition(".")
    known = key.isdecimal() and key.isascii() and int(key) < len(record.image_id)
    sizes = most_bytes(record, int(key)) if known else {}
    if kind not in sizes:
        msg = f"member {name!r} is none of a photo of the record"
        raise ValueError(msg)
    return sizes[kind]
