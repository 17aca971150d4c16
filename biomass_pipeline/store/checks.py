"""Checksums of a cache: one a row, one of the attributes, one of the list of refused photos."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.store.contents import Quarantined

# Added to a row's CRC-32, so that 0 can say that the row was never written.
WRITTEN = 1 << 32
ATTRIBUTES_CHECK = "attributes_crc32"
QUARANTINE_CHECK = "quarantined_crc32"


def photo_seed(image_id: str, image_sha256: str) -> int:
    """Where the checksums of a photo's rows start, so that no row passes for another photo's."""
    return crc32(f"{image_sha256}\0{image_id}".encode())


def photo_seeds(image_ids: Sequence[str], image_sha256: Sequence[str]) -> NDArray[np.uint32]:
    """The seed of each photo, shape (photo,)."""
    pairs = zip(image_ids, image_sha256, strict=True)
    return np.array([photo_seed(name, sha) for name, sha in pairs], dtype=np.uint32)


def row_checks(
    features: NDArray[Any],
    coords: NDArray[np.int32],
    area_weight: NDArray[np.float32],
    seeds: NDArray[np.uint32],
) -> NDArray[np.uint64]:
    """The check of each row: 2^32 + CRC-32 over coords, area weight and features, little-endian.

    Args:
        features: Shape (row, feature), as stored.
        coords: Shape (row, 2).
        area_weight: Shape (row,).
        seeds: Shape (row,), `photo_seed` of the row's photo.

    Returns:
        Shape (row,).
    """
    n_rows = len(features)
    if n_rows == 0:
        return np.empty(0, np.uint64)
    columns = [
        coords.astype("<i4", copy=False),
        area_weight.astype("<f4", copy=False)[:, None],
        features,
    ]
    records = np.concatenate([_bytes(column) for column in columns], axis=1)
    width, view = records.shape[1], records.data.cast("B")
    sums = (
        crc32(view[start : start + width], seed)
        for start, seed in zip(range(0, n_rows * width, width), seeds.tolist(), strict=True)
    )
    return np.fromiter(sums, np.uint64, n_rows) + np.uint64(WRITTEN)


def attributes_crc32(attributes: Mapping[str, Any]) -> int:
    """The checksum of a file's attributes but itself."""
    plain = {name: str(value) for name, value in attributes.items() if name != ATTRIBUTES_CHECK}
    return crc32(json.dumps(plain, sort_keys=True).encode())


def quarantine_crc32(photos: Sequence[Quarantined]) -> int:
    """The checksum of the list of refused photos."""
    rows = [(photo.image_id, photo.image_sha256, photo.path, photo.reason) for photo in photos]
    return crc32(json.dumps(rows).encode())


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Each row's bytes, shape (row, byte)."""
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)
