"""Safetensors: one file a fold, `fold_0.safetensors`, with the arrays that the HDF5 file has."""

import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Record

FAILURES: tuple[type[Exception], ...] = (SafetensorError,)
_TYPES = {"F16": "float16", "F32": "float32", "I32": "int32", "I64": "int64"}


def write(parcel: Parcel, place: Path) -> None:
    """Write the file; the library holds it whole meanwhile."""
    arrays = {name: np.ascontiguousarray(array) for name, array in parcel.arrays().items()}
    save_file(arrays, os.fspath(_file(place)))


def read(place: Path, record: Record) -> Columns:
    """Read the file."""
    promises = {**record.promises(), "offsets": record.offsets_promise()}
    with safe_open(os.fspath(_file(place)), framework="np") as file:
        if {*file.keys()} != {*promises}:
            msg = f"it holds {sorted(file.keys())[:8]} where exports hold {sorted(promises)}"
            raise ValueError(msg)
        for name, promise in promises.items():
            head = file.get_slice(name)
            kind = _TYPES.get(head.get_dtype(), "object")
            promise.check(name, kind, tuple(head.get_shape()))
        found = {name: file.get_tensor(name) for name in promises}
    if found.pop("offsets").tolist() != [*record.offsets]:
        msg = "its offsets are not those of the record"
        raise ValueError(msg)
    return Columns(**found)


def _file(place: Path) -> Path:
    return place.with_name(f"{place.name}.safetensors")
