"""Arrays in NumPy's own format, read only when they are what was promised."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from biomass_pipeline.store.formats.parcel import Columns
from biomass_pipeline.store.formats.record import Promise, Record

# More than NumPy writes before an array of a few dimensions.
HEADER_BYTES = 4096
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


def bag_bytes(bag: Columns) -> dict[str, bytes]:
    """One photo's arrays, each in NumPy's format, by name."""
    return {f"{name}.npy": npy_bytes(array) for name, array in bag._asdict().items()}


class Gathering:
    """Rows of all photos, put together from formats that keep a photo apart."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._columns = Columns(
            *(np.empty(each.shape, each.dtype) for each in record.promises().values())
        )
        self._missing = set(range(len(record.image_id)))

    def take(self, photo: int, bag: Mapping[str, bytes]) -> None:
        """Put one photo's arrays in their place.

        Raises:
            ValueError: They are not what was promised, or were there already.
        """
        if photo not in self._missing:
            msg = f"photo {photo} stands in it twice, or is none of the record's"
            raise ValueError(msg)
        self._missing.discard(photo)
        rows = slice(self._record.offsets[photo], self._record.offsets[photo + 1])
        for name, promise in self._record.promises(photo).items():
            array = getattr(self._columns, name)
            array[rows] = read_npy(BytesIO(bag[f"{name}.npy"]), promise, name=name)

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
