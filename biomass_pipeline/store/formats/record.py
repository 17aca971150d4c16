"""The record of an exported fold: what made it, its photos, and what its files must look like."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zlib import crc32

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from biomass_pipeline import __version__
from biomass_pipeline.errors import DamagedExportError
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.contents import Quarantined, Stamp
from biomass_pipeline.store.formats.parcel import Columns, Parcel

# A fold of a million photos has less.
_MOST_BYTES = 256 * 2**20
_COLUMNS = Columns._fields


class FileFacts(BaseModel):
    """One file of an export, as it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    sha256: str


@dataclass(frozen=True)
class Promise:
    """What an array must be; known before any of it is read."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Without any header. Python's own numbers: no promise is too large to be told."""
        n_bytes = self.dtype.itemsize
        for length in self.shape:
            n_bytes *= length
        return n_bytes

    def check(self, name: str, dtype: object, shape: tuple[int, ...]) -> None:
        """Compare with what a file says of itself.

        Raises:
            ValueError: It is something else.
        """
        if np.dtype(dtype) != self.dtype or tuple(shape) != self.shape:  # type: ignore[call-overload]  # any name of one
            found, wanted = f"{dtype} {tuple(shape)}", f"{self.dtype} {self.shape}"
            msg = f"its {name} are {found} where the record promises {wanted}"
            raise ValueError(msg)


class Record(BaseModel):
    """What stands in `fold_<k>.json`.

    One written elsewhere needs neither `files` nor `record_crc32`, `notes` and `quarantined`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record_version: Literal[1] = 1
    format: str
    extraction_fingerprint: str
    backbone: str = ""
    weights_sha256: str = ""
    tile_px: int = 0
    stride_px: int = 0
    tokens: str = ""
    layers: str = ""
    feature_dim: Annotated[int, Field(ge=0)]
    dtype: Literal["float16", "float32"]
    rows_per_tile: Annotated[int, Field(ge=1)] = 1
    image_id: tuple[str, ...]
    image_sha256: tuple[str, ...]
    offsets: tuple[Annotated[int, Field(ge=0)], ...]
    notes: dict[str, str] = {}
    quarantined: tuple[tuple[str, str, str, str], ...] = ()
    package_version: str = ""
    files: dict[str, FileFacts] = {}
    record_crc32: int | None = None

    @model_validator(mode="after")
    def _photos_and_rows_fit(self) -> Self:
        n_photos, starts = len(self.image_id), self.offsets
        if len(self.image_sha256) != n_photos or len(starts) != n_photos + 1 or starts[0] != 0:
            msg = "image_id, image_sha256 and offsets are not of the same photos"
            raise ValueError(msg)
        if any(stop <= start for start, stop in pairwise(starts)):
            msg = "offsets leave a photo without rows"
            raise ValueError(msg)
        if len({*self.image_id}) != n_photos:
            msg = "a photo stands in it twice"
            raise ValueError(msg)
        return self

    @classmethod
    def of(cls, parcel: Parcel, *, form: str, files: Mapping[str, FileFacts]) -> Self:
        """The record of a parcel whose files were written."""
        stamp, held = parcel.stamp, parcel.features
        return cls(
            format=form,
            extraction_fingerprint=stamp.fingerprint,
            backbone=stamp.backbone,
            weights_sha256=stamp.weights_sha256,
            tile_px=stamp.tile_px,
            stride_px=stamp.stride_px,
            tokens=stamp.tokens,
            layers=stamp.layers,
            feature_dim=stamp.feature_dim,
            dtype="float32" if stamp.dtype == "float32" else "float16",
            rows_per_tile=parcel.rows_per_tile,
            image_id=held.image_ids,
            image_sha256=held.image_sha256,
            offsets=tuple(held.offsets.tolist()),
            notes=dict(parcel.notes),
            quarantined=tuple(
                (photo.image_id, photo.image_sha256, photo.path, photo.reason)
                for photo in parcel.quarantined
            ),
            package_version=__version__,
            files=dict(files),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Parse a record.

        Raises:
            DamagedExportError: It is none, or not as it was written.
        """
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise DamagedExportError(path, f"it has more than {_MOST_BYTES} bytes")
            record = cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise DamagedExportError(path, f"it cannot be read ({error.strerror})") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"][:1])) or "the whole"
            raise DamagedExportError(path, f"{where}: {first['msg']}") from None
        if record.record_crc32 not in {None, record.crc32()}:
            raise DamagedExportError(path, "its text fails its own checksum")
        return record

    def text(self) -> str:
        """The record as it is written, with its checksum."""
        fields = self.model_dump(mode="json") | {"record_crc32": self.crc32()}
        return json.dumps(fields, indent=1) + "\n"

    def crc32(self) -> int:
        """The checksum of everything but itself."""
        fields = self.model_dump(mode="json", exclude={"record_crc32"})
        return crc32(json.dumps(fields, sort_keys=True).encode())

    @property
    def n_rows(self) -> int:
        """How many feature rows there are."""
        return self.offsets[-1]

    def promises(self, photo: int | None = None) -> dict[str, Promise]:
        """What `features`, `coords` and `area_weight` must be: of one photo, or of all."""
        n_rows = self.n_rows if photo is None else self.offsets[photo + 1] - self.offsets[photo]
        kinds = (self.dtype, (n_rows, self.feature_dim)), ("<i4", (n_rows, 2)), ("<f4", (n_rows,))
        return {
            name: Promise(np.dtype(dtype), shape)
            for name, (dtype, shape) in zip(_COLUMNS, kinds, strict=True)
        }

    def offsets_promise(self) -> Promise:
        """What `offsets` must be, where a format has them as an array."""
        return Promise(np.dtype("<i8"), (len(self.offsets),))

    @property
    def n_bytes(self) -> int:
        """How many bytes the rows have."""
        return sum(promise.n_bytes for promise in self.promises().values())

    def refused(self) -> tuple[Quarantined, ...]:
        """The fold's photos that have no rows, each with its reason."""
        return tuple(Quarantined(*row) for row in self.quarantined)

    def parcel(self, fold: int | None, columns: Columns) -> Parcel:
        """The parcel, once the files were read."""
        held = FeatureSet(
            *columns,
            image_ids=self.image_id,
            image_sha256=self.image_sha256,
            offsets=np.array(self.offsets, np.int64),
        )
        return Parcel(
            fold, held, self.stamp(), self.rows_per_tile, dict(self.notes), self.refused()
        )

    def stamp(self) -> Stamp:
        """What made the features."""
        return Stamp(
            fingerprint=self.extraction_fingerprint,
            backbone=self.backbone,
            weights_sha256=self.weights_sha256,
            tile_px=self.tile_px,
            stride_px=self.stride_px,
            tokens=self.tokens,
            layers=self.layers,
            feature_dim=self.feature_dim,
            dtype=self.dtype,
        )
