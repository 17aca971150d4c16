"""The HDF5 layout of a fold: laying a file out, opening one, and what its small parts say."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline import __version__
from biomass_pipeline.errors import (
    DamagedCacheError,
    MissingCacheError,
    StaleCacheError,
    UnreadableCacheError,
)
from biomass_pipeline.store.checks import (
    ATTRIBUTES_CHECK,
    QUARANTINE_CHECK,
    attributes_crc32,
    quarantine_crc32,
)
from biomass_pipeline.store.confinement import check_confined
from biomass_pipeline.store.contents import SCHEMA_VERSION, FoldContents, Quarantined, Stamp
from biomass_pipeline.store.structure import is_sound, make_room, seal
from biomass_pipeline.store.superblock import is_truncated

# The datasets that are filled in after the file was laid out.
FILLED = ("features", "row_check", "complete")
# What HDF5 raises, depending on where a file is damaged.
_UNREADABLE = (OSError, RuntimeError, KeyError)
_STAMPED = ("backbone", "weights_sha256", "tile_px", "stride_px", "tokens", "layers")
_QUARANTINE = ("id", "sha256", "path", "reason")


def lay_out(
    path: Path,
    contents: FoldContents,
    *,
    stamp: Stamp,
    quarantined: Sequence[Quarantined],
    notes: Mapping[str, str],
) -> dict[str, int]:
    """Write everything but the features, and close the file: from here on its structure stays.

    Returns:
        For each dataset of `FILLED` the byte in the file where it begins; those without a row are
        left out.
    """
    with h5py.File(path, "w", libver="latest") as file:
        shape = (contents.n_patches, stamp.feature_dim)
        _preallocate(file, "features", shape, np.dtype(stamp.dtype))
        file.create_dataset("coords", data=contents.coords)
        file.create_dataset("area_weight", data=contents.area_weight)
        _write_texts(file, "image_id", contents.image_ids)
        _write_texts(file, "image_sha256", contents.image_sha256)
        file.create_dataset("offsets", data=contents.offsets)
        file.create_dataset("complete", data=np.zeros(len(contents.image_ids), np.uint8))
        file.create_dataset("row_check", data=np.zeros(contents.n_patches, np.uint64))
        columns = zip(*map(_fields, quarantined), strict=True) if quarantined else [()] * 4
        for name, texts in zip(_QUARANTINE, columns, strict=True):
            _write_texts(file, f"quarantined_{name}", list(texts))
        make_room(file)
        _write_attributes(file, contents, stamp, quarantined, notes)
        places = {name: file[name].id.get_offset() for name in FILLED if file[name].size}
    seal(path)
    return places


@contextmanager
def opened(path: Path, fingerprint: str) -> Iterator[h5py.File]:
    """A cache file for reading, once its stamp and its attributes are checked.

    Raises:
        MissingCacheError: There is no such file.
        UnreadableCacheError: The system does not let it be read.
        UnsafeCacheError: It leads to other files or to code; none of them was opened.
        DamagedCacheError: It is not a cache of a known schema, or HDF5 cannot read it.
        StaleCacheError: It was made by another extraction.
    """
    _check_length(path)
    try:
        file = h5py.File(path, "r", libver="latest", swmr=_grows(path))
    except _UNREADABLE as error:
        raise DamagedCacheError(path, f"HDF5 cannot open it ({error})") from None
    with file:
        attributes = _sound_attributes(path, file)
        _check_attributes(path, attributes, fingerprint)
        try:
            yield file
        except _UNREADABLE as error:
            raise DamagedCacheError(path, f"HDF5 cannot read it ({error})") from None


def completion(file: h5py.File) -> NDArray[np.bool_]:
    """Which photos are written; a file made elsewhere may not say, and is then whole."""
    if "complete" not in file:
        return np.ones(len(file["image_id"]), bool)
    return np.asarray(file["complete"][...] == 1, bool)


def texts(file: h5py.File, name: str) -> tuple[str, ...]:
    """A dataset of texts. What is not UTF-8 any more stays visible, and its check will fail."""
    return tuple(file[name].asstr(errors="backslashreplace")[...])


def read_quarantined(file: h5py.File) -> tuple[Quarantined, ...]:
    """The photos that were refused; none in a file made elsewhere.

    Raises:
        DamagedCacheError: The list is not the one that was written.
    """
    if "quarantined_id" not in file:
        return ()
    columns = [texts(file, f"quarantined_{name}") for name in _QUARANTINE]
    photos = tuple(Quarantined(*row) for row in zip(*columns, strict=True))
    expected = file.attrs.get(QUARANTINE_CHECK)
    if expected is not None and quarantine_crc32(photos) != int(expected):
        raise DamagedCacheError(
            Path(file.filename), "its list of quarantined photos fails its check"
        )
    return photos


def read_stamp(file: h5py.File) -> Stamp:
    """What made a file."""
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


def read_notes(file: h5py.File) -> dict[str, str]:
    """What the embedder noted beside the stamp."""
    known = {
        *_STAMPED,
        "extraction_fingerprint",
        "feature_dim",
        "rows_per_tile",
        "package_version",
        "schema_version",
        ATTRIBUTES_CHECK,
        QUARANTINE_CHECK,
    }
    return {name: str(value) for name, value in file.attrs.items() if name not in known}


def _check_length(path: Path) -> None:
    try:
        truncated = is_truncated(path)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingCacheError(path) from None
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise UnreadableCacheError(path, why=why) from error
    if truncated:
        raise DamagedCacheError(path, "it is shorter than it says")


def _sound_attributes(path: Path, file: h5py.File) -> dict[str, Any]:
    """The attributes of a file that leads nowhere else and has the structure it was given."""
    try:
        check_confined(path, file)
        sound = is_sound(file)
        attributes = dict(file.attrs) if sound else {}
    except _UNREADABLE as error:
        raise DamagedCacheError(path, f"HDF5 cannot open it ({error})") from None
    if not sound:
        raise DamagedCacheError(path, "its structure is not what was written")
    return attributes


def _check_attributes(path: Path, attributes: Mapping[str, Any], fingerprint: str) -> None:
    if attributes.get("schema_version") != SCHEMA_VERSION:
        found = attributes.get("schema_version", "no")
        raise DamagedCacheError(path, f"it has schema version {found}, not {SCHEMA_VERSION}")
    found = str(attributes.get("extraction_fingerprint"))
    if found != fingerprint:
        raise StaleCacheError(path, found=found, expected=fingerprint)
    check = attributes.get(ATTRIBUTES_CHECK)
    if check is not None and int(check) != attributes_crc32(attributes):
        raise DamagedCacheError(path, "its attributes fail their check")


def _grows(path: Path) -> bool:
    """Whether a file is, or was when it was killed, being written.

    Only then is SWMR asked for: with it, HDF5 waits long for what a whole file has.
    """
    return path.suffix != ".h5"


def _write_attributes(
    file: h5py.File,
    contents: FoldContents,
    stamp: Stamp,
    quarantined: Sequence[Quarantined],
    notes: Mapping[str, str],
) -> None:
    attributes: dict[str, Any] = {
        **notes,
        "extraction_fingerprint": stamp.fingerprint,
        **{name: getattr(stamp, name) for name in _STAMPED},
        "feature_dim": stamp.feature_dim,
        "rows_per_tile": contents.rows_per_tile,
        "package_version": __version__,
        QUARANTINE_CHECK: quarantine_crc32(quarantined),
        "schema_version": SCHEMA_VERSION,
    }
    for name, value in attributes.items():
        file.attrs[name] = value
    file.attrs[ATTRIBUTES_CHECK] = attributes_crc32(attributes)


def _write_texts(file: h5py.File, name: str, values: Sequence[str]) -> None:
    """UTF-8 of one length a dataset: it lies in one piece, so a flipped byte stays in its text."""
    encoded = [value.encode() for value in values]
    length = max((len(value) for value in encoded), default=1) or 1
    file.create_dataset(name, data=np.array(encoded, h5py.string_dtype("utf-8", length)))


def _fields(photo: Quarantined) -> tuple[str, str, str, str]:
    return photo.image_id, photo.image_sha256, photo.path, photo.reason


def _preallocate(file: h5py.File, name: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """A contiguous dataset with its space taken now, so that writing rows changes no metadata."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    # Equal contents give equal files.
    creation.set_obj_track_times(False)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    number_type = h5py.h5t.py_create(dtype, logical=True)
    h5py.h5d.create(file.id, name.encode(), number_type, space, dcpl=creation)
