"""One fold's HDF5 file: reading it, writing it whole, and copying rows that another file has."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline import __version__
from biomass_pipeline.errors import (
    DamagedCacheError,
    FeatureRangeError,
    MissingCacheError,
    StaleCacheError,
)
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.contents import SCHEMA_VERSION, FoldContents, Stamp
from biomass_pipeline.store.superblock import is_truncated

_TEXT = h5py.string_dtype("utf-8")


@dataclass(frozen=True)
class FeatureCache:
    """A handle on one fold's features: a path, never an open file, so it can be pickled."""

    path: Path
    fingerprint: str

    def load(self) -> FeatureSet:
        """Read the whole fold into memory."""
        with _opened(self.path, self.fingerprint) as file:
            return _feature_set(file, file["features"][...])

    def memory_map(self) -> FeatureSet:
        """The fold with its features left on disk, paged in as they are used."""
        with _opened(self.path, self.fingerprint) as file:
            data = file["features"]
            if data.size == 0:
                return _feature_set(file, data[...])
            mapped = np.memmap(
                self.path, data.dtype, mode="r", offset=data.id.get_offset(), shape=data.shape
            )
            return _feature_set(file, mapped)

    def bag(self, index: int) -> NDArray[Any]:
        """The features of one photo, shape (tile, feature)."""
        with _opened(self.path, self.fingerprint) as file:
            start, stop = file["offsets"][index : index + 2]
            return np.asarray(file["features"][start:stop])

    def stamp(self) -> Stamp:
        """What made this file."""
        with _opened(self.path, self.fingerprint) as file:
            return _read_stamp(file)

    def check_whole(self) -> None:
        """Read everything once.

        Raises:
            DamagedCacheError: Photos are incomplete, rows are missing or a feature is not finite.
        """
        with _opened(self.path, self.fingerprint) as file:
            complete = _complete(file)
            if not complete.all():
                n_incomplete = int((~complete).sum())
                raise DamagedCacheError(self.path, f"{n_incomplete} photos are incomplete")
            offsets = file["offsets"][...]
            n_rows = len(file["features"])
            if offsets[0] != 0 or (np.diff(offsets) <= 0).any() or offsets[-1] != n_rows:
                raise DamagedCacheError(self.path, "the offsets do not cover the feature rows")
            for start, stop in pairwise(offsets):
                if not np.isfinite(file["features"][start:stop]).all():
                    raise DamagedCacheError(self.path, f"rows {start} to {stop} are not finite")

    def check_contents(self, contents: FoldContents) -> None:
        """Compare with what the fold should hold.

        Raises:
            DamagedCacheError: It holds other photos, contents or tiles.
        """
        found = self.memory_map()
        for name, expected in (
            ("image_ids", contents.image_ids),
            ("image_sha256", contents.image_sha256),
        ):
            if getattr(found, name) != expected:
                raise DamagedCacheError(self.path, f"its {name} are not those of `patch_index`")
        if not np.array_equal(found.coords, contents.coords):
            raise DamagedCacheError(self.path, "its tiles are not those of `patch_index`")


def describe(path: Path, fingerprint: str) -> dict[str, Any]:
    """What a cache file says of itself, for a person.

    Raises:
        DamagedCacheError: It is not a cache.
        StaleCacheError: Its stamp is not that of the folder it lies in.
    """
    with _opened(path, fingerprint) as file:
        stamp = _read_stamp(file)
        return {
            "backbone": stamp.backbone,
            "photos": f"{int(_complete(file).sum())}/{len(file['image_id'])}",
            "rows": len(file["features"]),
            "width": stamp.feature_dim,
            "dtype": stamp.dtype,
        }


def open_cache(path: Path, fingerprint: str) -> FeatureCache:
    """A handle on a fold's features, once their stamp is checked.

    Raises:
        MissingCacheError: There is no such file.
        StaleCacheError: It was made by another extraction.
        DamagedCacheError: It is not a cache of a known schema, or not complete.
    """
    with _opened(path, fingerprint) as file:
        if not _complete(file).all():
            raise DamagedCacheError(path, "some photos are incomplete")
    return FeatureCache(path, fingerprint)


class PartialCache:
    """A fold's file while it is written: preallocated, each photo marked when it is on disk."""

    def __init__(self, path: Path, contents: FoldContents, stamp: Stamp) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._contents = contents
        self._stamp = stamp
        # Closed once, so that the file has its full length on disk before it can be killed.
        with h5py.File(path, "w", libver="latest") as file:
            _lay_out(file, contents, stamp)
        self._file = h5py.File(path, "r+", libver="latest")
        # From here on readers may open the file while it grows.
        self._file.swmr_mode = True

    def write(self, index: int, features: NDArray[Any]) -> None:
        """Store one photo's rows, then mark it complete.

        Args:
            index: The photo's place in the contents.
            features: Shape (tile, feature).

        Raises:
            FeatureRangeError: A value is not finite or does not fit the file's number type.
        """
        # What overflows becomes infinite, and is refused below.
        with np.errstate(over="ignore"):
            stored = features.astype(self._stamp.dtype, copy=False)
        if not np.isfinite(stored).all():
            raise FeatureRangeError(
                self._contents.image_ids[index],
                backbone=self._stamp.backbone,
                dtype=self._stamp.dtype,
                largest=float(np.abs(np.nan_to_num(features, nan=np.inf)).max()),
            )
        data = self._file["features"]
        data[self._contents.rows(index)] = stored
        data.flush()
        self._file["complete"][index] = 1
        self._file["complete"].flush()

    def close(self) -> None:
        """Close the file; it stays a partial one until it is renamed."""
        self._file.close()


class RowSource:
    """The complete photos of an existing file, whole or interrupted, found by their content."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        with _opened(path, fingerprint) as file:
            complete = _complete(file)
            self.feature_dim = int(file.attrs["feature_dim"])
            hashes = file["image_sha256"].asstr()[...]
            self._offsets = file["offsets"][...]
            coords = file["coords"][...]
        self._photos = {
            sha: (i, coords[self._offsets[i] : self._offsets[i + 1]])
            for i, sha in enumerate(hashes)
            if complete[i]
        }

    @property
    def image_sha256(self) -> frozenset[str]:
        """The contents that this file can give."""
        return frozenset(self._photos)

    def find(self, sha256: str, coords: NDArray[np.int32]) -> slice | None:
        """The rows of a photo, if this file has it with just these tiles."""
        index, known = self._photos.get(sha256, (-1, None))
        if known is None or not np.array_equal(known, coords):
            return None
        return slice(int(self._offsets[index]), int(self._offsets[index + 1]))

    def read(self, rows: list[slice]) -> Iterator[NDArray[Any]]:
        """Yield the rows asked for, opening the file once."""
        with h5py.File(self.path, "r", libver="latest", swmr=_grows(self.path)) as file:
            for piece in rows:
                yield file["features"][piece]


def publish(partial: Path, final: Path) -> None:
    """Make a written file the whole one: fsync it, rename it, fsync its folder."""
    _sync(partial)
    partial.replace(final)
    _sync(final.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lay_out(file: h5py.File, contents: FoldContents, stamp: Stamp) -> None:
    shape = (contents.n_patches, stamp.feature_dim)
    _preallocate(file, "features", shape, np.dtype(stamp.dtype))
    file.create_dataset("coords", data=contents.coords)
    file.create_dataset("area_weight", data=contents.area_weight)
    file.create_dataset("image_id", data=list(contents.image_ids), dtype=_TEXT)
    file.create_dataset("image_sha256", data=list(contents.image_sha256), dtype=_TEXT)
    file.create_dataset("offsets", data=contents.offsets)
    file.create_dataset("complete", data=np.zeros(len(contents.image_ids), np.uint8))
    file.attrs["extraction_fingerprint"] = stamp.fingerprint
    for name in ("backbone", "weights_sha256", "tile_px", "stride_px", "tokens", "layers"):
        file.attrs[name] = getattr(stamp, name)
    file.attrs["feature_dim"] = stamp.feature_dim
    file.attrs["package_version"] = __version__
    # Last, so that a file that carries it is laid out in full.
    file.attrs["schema_version"] = SCHEMA_VERSION


def _preallocate(file: h5py.File, name: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """A contiguous dataset with its space taken now, so that writing rows changes no metadata."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    number_type = h5py.h5t.py_create(dtype, logical=True)
    h5py.h5d.create(file.id, name.encode(), number_type, space, dcpl=creation)


def _complete(file: h5py.File) -> NDArray[np.bool_]:
    """Which photos are written; a file made elsewhere may not say, and is then whole."""
    if "complete" not in file:
        return np.ones(len(file["image_id"]), bool)
    return np.asarray(file["complete"][...], bool)


@contextmanager
def _opened(path: Path, fingerprint: str) -> Iterator[h5py.File]:
    if not path.exists():
        raise MissingCacheError(path)
    if is_truncated(path):
        raise DamagedCacheError(path, "it is shorter than it says")
    try:
        file = h5py.File(path, "r", libver="latest", swmr=_grows(path))
        dict(file.attrs)
    except (OSError, RuntimeError) as error:
        raise DamagedCacheError(path, f"HDF5 cannot open it ({error})") from None
    with file:
        if file.attrs.get("schema_version") != SCHEMA_VERSION:
            found = file.attrs.get("schema_version", "no")
            raise DamagedCacheError(path, f"it has schema version {found}, not {SCHEMA_VERSION}")
        found = str(file.attrs["extraction_fingerprint"])
        if found != fingerprint:
            raise StaleCacheError(path, found=found, expected=fingerprint)
        try:
            yield file
        except (OSError, RuntimeError, KeyError) as error:
            raise DamagedCacheError(path, f"HDF5 cannot read it ({error})") from None


def _grows(path: Path) -> bool:
    """Whether a file is, or was when it was killed, being written.

    Only then is SWMR asked for: with it, HDF5 waits long for what a whole file has.
    """
    return path.suffix != ".h5"


def _read_stamp(file: h5py.File) -> Stamp:
    attrs = file.attrs
    return Stamp(
        fingerprint=str(attrs["extraction_fingerprint"]),
        backbone=str(attrs["backbone"]),
        weights_sha256=str(attrs["weights_sha256"]),
        tile_px=int(attrs["tile_px"]),
        stride_px=int(attrs["stride_px"]),
        tokens=str(attrs["tokens"]),
        layers=str(attrs["layers"]),
        feature_dim=int(attrs["feature_dim"]),
        dtype=str(file["features"].dtype),
    )


def _feature_set(file: h5py.File, features: NDArray[Any]) -> FeatureSet:
    return FeatureSet(
        features=features,
        coords=file["coords"][...],
        area_weight=file["area_weight"][...],
        image_ids=tuple(file["image_id"].asstr()[...]),
        image_sha256=tuple(file["image_sha256"].asstr()[...]),
        offsets=file["offsets"][...],
    )
