"""What a frozen network must offer, and how single tiles are embedded side by side."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Tiles = NDArray[np.uint8]
Features = NDArray[np.float32]
# Tiles a thread gets at once where each is described alone: evens out the slow ones.
TILES_A_THREAD = 4


@runtime_checkable
class Backbone(Protocol):
    """A frozen network: uint8 RGB tiles in, feature rows out.

    The rows of a tile never depend on the tiles beside it.
    """

    @property
    def name(self) -> str:
        """The canonical name, equal for all its aliases."""
        ...

    @property
    def feature_dim(self) -> int:
        """The width of a row."""
        ...

    @property
    def tile_px(self) -> int:
        """The side of the tiles it was built for."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Digest of the weights file; empty when there is none."""
        ...

    @property
    def identity(self) -> Mapping[str, str]:
        """Everything that decides the output, for the extraction's fingerprint."""
        ...

    @property
    def batch_size(self) -> int:
        """How many tiles it likes at once; falls when a device's memory runs out."""
        ...

    @property
    def precision(self) -> str:
        """The arithmetic in use, such as `bf16`; empty where there is no choice."""
        ...

    def embed(self, tiles: Tiles) -> Features:
        """Embed tiles of shape (tile, side, side, 3).

        Returns:
            Shape (tile * rows a tile, feature). The rows of a tile lie together, view by view,
            and within a view its cells row by row.
        """
        ...


def embed_each(
    tiles: Tiles, describe: Callable[[Tiles], Features], *, feature_dim: int, threads: int
) -> Features:
    """Describe each tile alone, on several threads: rows cannot depend on the batch.

    Args:
        tiles: Shape (tile, side, side, 3).
        describe: Gives the row, shape (feature,), of one tile, shape (side, side, 3).
        feature_dim: The width of a row.
        threads: How many tiles are worked on at once.

    Returns:
        Shape (tile, feature), rows in the order of the tiles.
    """
    rows = np.empty((len(tiles), feature_dim), np.float32)
    # A tile cut as a view is summed in another order than a copy: bits must not depend on that.
    whole = map(np.ascontiguousarray, tiles)
    with ThreadPoolExecutor(max(1, min(threads, len(tiles)))) as pool:
        for index, row in enumerate(pool.map(describe, whole)):
            rows[index] = row
    return rows


def usable_cores() -> int:
    """The cores this process may run on, which a container can limit below the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
