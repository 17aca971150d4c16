"""Zarr, version 3: a group `fold_0.zarr` of uncompressed arrays in chunks of rows.

Its metadata name the codecs that a reader runs. So they are compared with what is written here
before the library opens anything: no compression, no object, no plug-in, little-endian.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Promise, Record

FAILURES: tuple[type[Exception], ...] = (zarr.errors.BaseZarrError,)
_CHUNK_BYTES = 32 * 2**20
_CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}]
_MOST_METADATA_BYTES = 65536


def write(parcel: Parcel, place: Path) -> None:
    """Write the group, a chunk at a time."""
    group = zarr.create_group(LocalStore(_folder(place)), zarr_format=3)
    for name, array in parcel.arrays().items():
        length = chunk_rows(array)
        made = group.create_array(
            name,
            shape=array.shape,
            chunks=(length, *array.shape[1:]),
            dtype=array.dtype,
            compressors=None,
            filters=None,
            fill_value=0,
            # Or chunks of zeros would be left out, and -0.0 would come back as 0.0.
            config={"write_empty_chunks": True},
        )
        for start in range(0, len(array), length):
            made[start : start + length] = array[start : start + length]


def read(place: Path, record: Record) -> Columns:
    """Read the group."""
    promises = {**record.promises(), "offsets": record.offsets_promise()}
    for name, promise in promises.items():
        _check_metadata(_folder(place) / name / "zarr.json", name, promise)
    # What is consolidated in the group would be taken in place of what was looked at.
    group = zarr.open_group(
        LocalStore(_folder(place), read_only=True),
        mode="r",
        zarr_format=3,
        use_consolidated=False,
    )
    found = {name: _read(group, name) for name in promises}
    if found.pop("offsets").tolist() != [*record.offsets]:
        msg = "its offsets are not those of the record"
        raise ValueError(msg)
    return Columns(**found)


def _read(group: zarr.Group, name: str) -> NDArray[Any]:
    array = group[name]
    # Zarr reads zeros where a chunk is missing.
    if not isinstance(array, zarr.Array) or array.nchunks_initialized != array.nchunks:
        msg = f"its {name} lack chunks"
        raise ValueError(msg)
    return np.ascontiguousarray(array[...])


def _check_metadata(path: Path, name: str, promise: Promise) -> None:
    """Make sure that an array is what was promised and that reading it runs no codec.

    Raises:
        ValueError: It is not so.
    """
    if path.stat().st_size > _MOST_METADATA_BYTES:
        msg = f"the metadata of its {name} are too long"
        raise ValueError(msg)
    said = json.loads(path.read_bytes())
    promise.check(name, said["data_type"], tuple(said["shape"]))
    grid = said["chunk_grid"]
    plain = (
        (said["zarr_format"], said["node_type"]) == (3, "array")
        and said["codecs"] == _CODECS
        and not said.get("storage_transformers")
        and grid["name"] == "regular"
        and tuple(grid["configuration"]["chunk_shape"][1:]) == promise.shape[1:]
    )
    if not plain:
        msg = f"its {name} are compressed, encoded or laid out in another way than exports are"
        raise ValueError(msg)


def chunk_rows(array: NDArray[Any]) -> int:
    """How many rows of an array go into one chunk."""
    row_bytes = array.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
    return int(max(1, min(len(array), _CHUNK_BYTES // max(1, row_bytes))))


def _folder(place: Path) -> Path:
    return place.with_name(f"{place.name}.zarr")
