"""The formats by name, each imported when it is used."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from biomass_pipeline.errors import MissingFormatError
from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Record

_ROOM = "biomass_pipeline.store.formats"
# Each format's module, and the package that the extra `formats` brings for it; none: always there.
_MODULES: Final[Mapping[str, tuple[str, str]]] = {
    "npy": ("npy_files", ""),
    "webdataset": ("web_shards", "webdataset"),
    "lmdb": ("lmdb_file", "lmdb"),
    "zarr": ("zarr_group", "zarr"),
    "parquet": ("parquet_table", ""),
    "safetensors": ("safetensors_file", ""),
}
FORMATS: Final = tuple(_MODULES)


class Carrier(Protocol):
    """A module that writes and reads the files of one fold in one format."""

    # What its library raises on a file that is none of its own.
    FAILURES: tuple[type[Exception], ...]

    def write(self, parcel: Parcel, place: Path) -> None:
        """Write the files of a fold.

        Args:
            parcel: What they carry.
            place: Folder and first part of their names, such as `folder/fold_0`.
        """

    def read(self, place: Path, record: Record) -> Columns:
        """Read them, each array only once it is known to be what was promised.

        Raises:
            ValueError: They are not what the record promises.
        """


def carrier_of(form: str) -> Carrier:
    """The module of a format.

    Raises:
        KeyError: There is no such format.
        MissingFormatError: Its library is not installed.
    """
    module, package = _MODULES[form]
    try:
        return cast("Carrier", import_module(f"{_ROOM}.{module}"))
    except ModuleNotFoundError as error:
        if not package or error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingFormatError(form, package=package) from None
