"""Plain NumPy: one file an array, `fold_0.features.npy` and so on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.store.formats.arrays import read_npy
from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Promise, Record

FAILURES: tuple[type[Exception], ...] = ()


def write(parcel: Parcel, place: Path) -> None:
    """Write `features`, `coords`, `area_weight` and `offsets`."""
    for name, array in parcel.arrays().items():
        np.save(_file(place, name), array, allow_pickle=False)


def read(place: Path, record: Record) -> Columns:
    """Read them."""
    columns = Columns(*(_read(place, name, each) for name, each in record.promises().items()))
    if _read(place, "offsets", record.offsets_promise()).tolist() != [*record.offsets]:
        msg = "its offsets are not those of the record"
        raise ValueError(msg)
    return columns


def _read(place: Path, name: str, promise: Promise) -> NDArray[Any]:
    with _file(place, name).open("rb") as stream:
        return read_npy(stream, promise, name=name)


def _file(place: Path, name: str) -> Path:
    return place.with_name(f"{place.name}.{name}.npy")
