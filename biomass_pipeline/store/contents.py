"""What a fold's cache must hold and what made it. Plain records: no file is opened here."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Stamp:
    """The identity of an extraction, written on every cache file.

    Attributes:
        fingerprint: The hash of everything that decides a feature.
        feature_dim: Width of a feature row.
        dtype: `float16` or `float32`.
    """

    fingerprint: str
    backbone: str
    weights_sha256: str
    tile_px: int
    stride_px: int
    tokens: str
    layers: str
    feature_dim: int
    dtype: str


@dataclass(frozen=True)
class FoldContents:
    """The photos of one fold and their tiles, in order.

    Attributes:
        image_ids: One a photo.
        image_sha256: One a photo.
        paths: One a photo, relative to the image folder.
        offsets: Shape (photo + 1,), int64: photo i has rows `offsets[i]:offsets[i + 1]`.
        coords: Shape (patch, 2), int32, (row_px, col_px).
        area_weight: Shape (patch,), float32.
    """

    image_ids: tuple[str, ...]
    image_sha256: tuple[str, ...]
    paths: tuple[str, ...]
    offsets: NDArray[np.int64]
    coords: NDArray[np.int32]
    area_weight: NDArray[np.float32]

    @classmethod
    def from_patch_index(cls, table: pd.DataFrame) -> "FoldContents":
        """Read one fold's `patch_index`, whose rows of a photo stand together."""
        ids = table["image_id"].to_numpy()
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.empty(0, int)
        first = table.iloc[starts]
        return cls(
            image_ids=tuple(first["image_id"]),
            image_sha256=tuple(first["image_sha256"]),
            paths=tuple(first["path"]),
            offsets=np.append(starts, len(ids)).astype(np.int64),
            coords=table[["row_px", "col_px"]].to_numpy(dtype=np.int32),
            area_weight=table["area_weight"].to_numpy(dtype=np.float32),
        )

    @property
    def n_patches(self) -> int:
        """How many feature rows the fold has."""
        return int(self.offsets[-1])

    def rows(self, index: int) -> slice:
        """The rows of one photo."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))
