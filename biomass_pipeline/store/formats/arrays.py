"""Arrays in NumPy's own format, read only when they are what was promised."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Promise, Record

# Of a sample: which photo it is of.
NAMES = "json"
# More than NumPy writes before an array of a few dimensions.
_HEADER_BYTES = 4096
# An id may be as long as a path.
_MOST_JSON_BYTES = 65536
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def npy_bytes(array: NDArray[Any]) -> bytes:
    """An array as `numpy.save` writes it."""
    stream = BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()


def read_npy(stream: BinaryIO, promise: Promise, *, name: str) -> NDArray[Any]:
    """An array, once its header was compared with what was promised.

    Args:
        stream: At its first byte.
        promise: What it must be.
        name: What it is called in errors.

    Raises:
        ValueError: It is something else, shorter or longer.
    """
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        msg = f"its {name} have version {version} of NumPy's format"
        raise ValueError(msg)
    shape, by_columns, dtype = _HEADERS[version](stream)
    promise.check(name, dtype, shape)
    array = np.empty(promise.shape, promise.dtype)
    if by_columns and array.ndim > 1:
        msg = f"its {name} lie column by column"
        raise ValueError(msg)
    _fill(stream, array, name=name)
    return array


def _fill(stream: BinaryIO, array: NDArray[Any], *, name: str) -> None:
    rest = array.reshape(-1).view(np.uint8).data
    while rest:
        n_bytes = stream.readinto(rest)  # type: ignore[attr-defined]  # files and BytesIO have it
        if not n_bytes:
            msg = f"its {name} end too early"
            raise ValueError(msg)
        rest = rest[n_bytes:]
    if stream.read(1):
        msg = f"something stands behind its {name}"
        raise ValueError(msg)


def sample_of(parcel: Parcel, photo: int) -> dict[str, bytes]:
    """One photo's arrays in NumPy's format, and who it is, by the ends of file names."""
    held = parcel.features
    names = {"image_id": held.image_ids[photo], "image_sha256": held.image_sha256[photo]}
    arrays = parcel.bag(photo)._asdict().items()
    return {f"{name}.npy": npy_bytes(array) for name, array in arrays} | {
        NAMES: json.dumps(names).encode()
    }


def most_bytes(record: Record, photo: int) -> dict[str, int]:
    """How long each part of a photo's sample may be."""
    arrays = record.promises(photo).items()
    return {f"{name}.npy": promise.n_bytes + _HEADER_BYTES for name, promise in arrays} | {
        NAMES: _MOST_JSON_BYTES
    }


class Gathering:
    """Rows of all photos, put together from formats that keep a photo apart."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._columns = Columns(
            *(np.empty(each.shape, each.dtype) for each in record.promises().values())
        )
        self._missing = set(range(len(record.image_id)))

    def take(self, photo: int, sample: Mapping[str, bytes]) -> None:
        """Put one photo's arrays in their place.

        Raises:
            ValueError: They are not what was promised, another photo's, or were there already.
        """
        if photo not in self._missing:
            msg = f"photo {photo} stands in it twice, or is none of the record's"
            raise ValueError(msg)
        self._missing.discard(photo)
        if json.loads(sample[NAMES])["image_id"] != self._record.image_id[photo]:
            msg = f"sample {photo} is of another photo than the record says"
            raise ValueError(msg)
        rows = slice(self._record.offsets[photo], self._record.offsets[photo + 1])
        for name, promise in self._record.promises(photo).items():
            array = getattr(self._columns, name)
            array[rows] = read_npy(BytesIO(sample[f"{name}.npy"]), promise, name=name)

    def columns(self) -> Columns:
        """All rows.

        Raises:
            ValueError: A photo was not there.
        """
        if self._missing:
            first = self._record.image_id[min(self._missing)]
            msg = f"it lacks {len(self._missing)} photos, {first} first"
            raise ValueError(msg)
        return self._columns
