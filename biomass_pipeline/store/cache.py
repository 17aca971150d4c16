"""A handle on one fold's published features: what training and people read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import fingerprint
from biomass_pipeline.errors import DamagedCacheError, OtherContentsError
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.contents import FoldContents, Quarantined, Stamp
from biomass_pipeline.store.inspection import Inspection, inspect, row_pieces
from biomass_pipeline.store.schema import (
    completion,
    opened,
    read_notes,
    read_quarantined,
    read_stamp,
    texts,
)


@dataclass(frozen=True)
class FeatureCache:
    """A handle on one fold's features: a path, never an open file, so it can be pickled."""

    path: Path
    fingerprint: str

    def load(self) -> FeatureSet:
        """Read the whole fold into memory."""
        with opened(self.path, self.fingerprint) as file:
            return _feature_set(file, file["features"][...])

    def memory_map(self) -> FeatureSet:
        """The fold with its features left on disk, paged in as they are used.

        Those of a file made elsewhere may lie in chunks, and are then read into memory.
        """
        with opened(self.path, self.fingerprint) as file:
            data = file["features"]
            place = data.id.get_offset()
            if data.size == 0 or place is None:
                return _feature_set(file, data[...])
            # Not by its name, which may stand for the next version by now.
            with os.fdopen(os.dup(file.id.get_vfd_handle()), "rb") as same:
                mapped = np.memmap(same, data.dtype, mode="r", offset=place, shape=data.shape)
            return _feature_set(file, mapped)

    def bag(self, index: int) -> NDArray[Any]:
        """The features of one photo, shape (tile, feature)."""
        with opened(self.path, self.fingerprint) as file:
            start, stop = file["offsets"][index : index + 2]
            return np.asarray(file["features"][start:stop])

    def photos(self) -> dict[str, str]:
        """The SHA-256 of each photo by its id; no feature is read."""
        with opened(self.path, self.fingerprint) as file:
            return dict(zip(texts(file, "image_id"), texts(file, "image_sha256"), strict=True))

    def mark(self) -> str:
        """The hash of which photos this file holds, with how many tiles each: 16 digits."""
        with opened(self.path, self.fingerprint) as file:
            held = [texts(file, name) for name in ("image_id", "image_sha256")]
            return fingerprint(self.fingerprint, *held, file["offsets"][...].tolist())

    def stamp(self) -> Stamp:
        """What made this file."""
        with opened(self.path, self.fingerprint) as file:
            return read_stamp(file)

    def notes(self) -> dict[str, str]:
        """What the embedder noted beside the stamp."""
        with opened(self.path, self.fingerprint) as file:
            return read_notes(file)

    def rows_per_tile(self) -> int:
        """How many rows a tile has; one in a file that does not say."""
        with opened(self.path, self.fingerprint) as file:
            return int(file.attrs.get("rows_per_tile", 1))

    def quarantined(self) -> tuple[Quarantined, ...]:
        """The fold's photos that this file lacks, each with its reason."""
        with opened(self.path, self.fingerprint) as file:
            return read_quarantined(file)

    def broken_photos(self) -> tuple[str, ...]:
        """The ids of photos with a feature that is NaN or infinite, read piece by piece."""
        with opened(self.path, self.fingerprint) as file:
            broken = np.zeros(len(file["features"]), bool)
            for piece in row_pieces(file):
                broken[piece] = ~np.isfinite(file["features"][piece]).all(axis=1)
            starts = file["offsets"][...]
            counts = np.diff(np.concatenate([[0], np.cumsum(broken)])[starts])
            ids = texts(file, "image_id")
        return tuple(ids[photo] for photo in np.flatnonzero(counts))

    def inspect(self) -> Inspection:
        """Read everything once, piece by piece, and list what is not as it was written."""
        with opened(self.path, self.fingerprint) as file:
            return inspect(self.path, file)

    def check_whole(self) -> None:
        """Read everything once.

        Raises:
            DamagedCacheError: Photos are incomplete, rows are missing or not as they were written.
        """
        found = self.inspect()
        if found.damages:
            raise DamagedCacheError(self.path, found.summary())

    def check_contents(self, contents: FoldContents) -> None:
        """Compare with what the fold should hold; photos that this file quarantines may lack.

        Raises:
            OtherContentsError: It holds other photos, contents or tiles.
        """
        with opened(self.path, self.fingerprint) as file:
            problem = _difference(file, contents)
        if problem:
            raise OtherContentsError(self.path, what=problem)


def describe(path: Path, fingerprint: str) -> dict[str, Any]:
    """What a cache file says of itself, for a person.

    Raises:
        DamagedCacheError: It is not a cache.
        StaleCacheError: Its stamp is not that of the folder it lies in.
    """
    with opened(path, fingerprint) as file:
        stamp = read_stamp(file)
        return {
            "backbone": stamp.backbone,
            "photos": f"{int(completion(file).sum())}/{len(file['image_id'])}",
            "rows": len(file["features"]),
            "width": stamp.feature_dim,
            "dtype": stamp.dtype,
            "quarantined": len(read_quarantined(file)),
        }


def open_cache(path: Path, fingerprint: str) -> FeatureCache:
    """A handle on a fold's features, once their stamp is checked.

    Raises:
        MissingCacheError: There is no such file.
        StaleCacheError: It was made by another extraction.
        DamagedCacheError: It is not a cache of a known schema, or not complete.
    """
    with opened(path, fingerprint) as file:
        if not completion(file).all():
            raise DamagedCacheError(path, "some photos are incomplete")
    return FeatureCache(path, fingerprint)


def holds_exactly(path: Path, fingerprint: str, contents: FoldContents) -> bool:
    """Whether a whole file has just these contents, nothing of them quarantined.

    Raises:
        MissingCacheError: There is no such file.
        StaleCacheError: It was made by another extraction.
        DamagedCacheError: It is not a cache.
    """
    with opened(path, fingerprint) as file:
        return bool(
            completion(file).all()
            and not read_quarantined(file)
            and not _difference(file, contents)
            and np.array_equal(file["area_weight"][...], contents.area_weight)
        )


def _difference(file: h5py.File, contents: FoldContents) -> str:
    """What differs first from what the fold should hold; empty if nothing does."""
    refused = {photo.image_id for photo in read_quarantined(file)}
    if refused:
        contents = contents.without(
            {place for place, name in enumerate(contents.image_ids) if name in refused}
        )
    if texts(file, "image_id") != contents.image_ids:
        return "image_ids"
    if texts(file, "image_sha256") != contents.image_sha256:
        return "image_sha256"
    same = np.array_equal(file["offsets"][...], contents.offsets) and np.array_equal(
        file["coords"][...], contents.coords
    )
    return "" if same else "tiles"


def _feature_set(file: h5py.File, features: NDArray[Any]) -> FeatureSet:
    return FeatureSet(
        features=features,
        coords=file["coords"][...],
        area_weight=file["area_weight"][...],
        image_ids=texts(file, "image_id"),
        image_sha256=texts(file, "image_sha256"),
        offsets=file["offsets"][...],
    )
