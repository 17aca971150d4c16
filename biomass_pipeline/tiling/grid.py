"""The windows of one photo: starts, area weights and valid fractions."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import TilingConfig

_Number = TypeVar("_Number", np.int32, np.float32)


@dataclass(frozen=True)
class TileGrid:
    """The tiles of one photo, row by row; read-only arrays of shape (tile,).

    Attributes:
        row_px: int32, the first row of each tile.
        col_px: int32, the first column of each tile.
        area_weight: float32, the share of the photo each tile stands for; sums to 1.
        valid_fraction: float32, the share of each tile that is photo rather than reflection.
    """

    row_px: NDArray[np.int32]
    col_px: NDArray[np.int32]
    area_weight: NDArray[np.float32]
    valid_fraction: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.row_px)


@lru_cache(maxsize=256)
def tile_grid(height_px: int, width_px: int, spec: TilingConfig) -> TileGrid:
    """Lay tiles over a photo so that every pixel is covered and none leaves it.

    A pixel that m tiles cover counts 1/m in each of them, so a tile's area weight is
    `sum over its pixels of 1/m(pixel) / (height * width)`. Since m is the product of the row's and
    the column's count, the weight is the product of one factor an axis: exact, without a pixel map.

    Args:
        height_px: Height of the upright photo.
        width_px: Width of the upright photo.
        spec: Tile size, stride and border mode. A side shorter than a tile gets one tile at 0.

    Raises:
        ValueError: The photo has no pixels.
    """
    if height_px < 1 or width_px < 1:
        msg = f"a photo of {height_px} x {width_px} px has no tiles"
        raise ValueError(msg)
    rows, row_weights = _axis(height_px, spec)
    cols, col_weights = _axis(width_px, spec)
    valid = min(spec.tile_px, height_px) * min(spec.tile_px, width_px) / spec.tile_px**2
    return TileGrid(
        row_px=_frozen(np.repeat(rows, len(cols)).astype(np.int32)),
        col_px=_frozen(np.tile(cols, len(rows)).astype(np.int32)),
        area_weight=_frozen(np.outer(row_weights, col_weights).ravel().astype(np.float32)),
        valid_fraction=_frozen(np.full(len(rows) * len(cols), valid, dtype=np.float32)),
    )


def _axis(extent_px: int, spec: TilingConfig) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Starts along one side, and the share of the side that each window stands for."""
    starts = _starts(extent_px, spec)
    ends = np.minimum(starts + spec.tile_px, extent_px)
    before = shared_before(starts, ends, extent_px)
    return starts, (before[ends] - before[starts]) / extent_px


def shared_before(
    starts: NDArray[np.integer], ends: NDArray[np.integer], extent_px: int
) -> NDArray[np.float64]:
    """What the pixels before each edge of a side weigh, one that m windows cover weighing 1/m.

    Args:
        starts: Shape (window,), the first pixel of each window.
        ends: Shape (window,), the one after its last; together they cover the side.
        extent_px: Length of the side.

    Returns:
        Shape (extent + 1,); a run of pixels weighs the difference between its end and its start.
    """
    change = np.zeros(extent_px + 1, dtype=np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, ends, -1)
    return np.concatenate([[0.0], np.cumsum(1.0 / np.cumsum(change[:-1]))])


def _starts(extent_px: int, spec: TilingConfig) -> NDArray[np.int64]:
    room = extent_px - spec.tile_px
    if room <= 0:
        return np.zeros(1, dtype=np.int64)
    count = ceil(room / spec.stride_px) + 1
    if spec.border == "even":
        return np.rint(np.linspace(0, room, count)).astype(np.int64)
    return np.minimum(np.arange(count, dtype=np.int64) * spec.stride_px, room)


def _frozen(array: NDArray[_Number]) -> NDArray[_Number]:
    array.setflags(write=False)
    return array
