"""What a fold's cache must hold and what made it. Plain records: no file is opened here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.errors import StaleTilesError, TooManyRefusedError
from biomass_pipeline.tiling import cell_shares, tile_grid

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
class Quarantined:
    """A photo whose features could not be made, and why."""

    image_id: str
    image_sha256: str
    path: str
    reason: str


def check_refused(place: Path, refused: Sequence[Quarantined], *, total: int, limit: int) -> None:
    """Refuse a fold of which too many photos were refused.

    Args:
        place: The fold's file.
        refused: The photos.
        total: How many photos the fold has, with those.
        limit: How many may be refused.

    Raises:
        TooManyRefusedError: More are.
    """
    if len(refused) > limit:
        listed = [(photo.path, photo.reason) for photo in refused]
        raise TooManyRefusedError(place, refused=listed, total=total, limit=limit)


@dataclass(frozen=True)
class FoldContents:
    """The photos of one fold, their tiles and the feature rows that stand for them, in order.

    A tile has one row, or one a view and cell: view by view, cells row by row.

    Attributes:
        image_ids: One a photo.
        image_sha256: One a photo.
        paths: One a photo, relative to the image folder.
        offsets: Shape (photo + 1,), int64: photo i has rows `offsets[i]:offsets[i + 1]`.
        coords: Shape (patch, 2), int32, (row_px, col_px) of the tile or cell that a row stands for.
        area_weight: Shape (patch,), float32; sums to 1 over a photo.
        tiles: Shape (tile, 2), int32, (row_px, col_px) of each tile.
        rows_per_tile: How many rows a tile has.
    """

    image_ids: tuple[str, ...]
    image_sha256: tuple[str, ...]
    paths: tuple[str, ...]
    offsets: NDArray[np.int64]
    coords: NDArray[np.int32]
    area_weight: NDArray[np.float32]
    tiles: NDArray[np.int32]
    rows_per_tile: int = 1

    @classmethod
    def from_patch_index(
        cls,
        table: pd.DataFrame,
        *,
        tiling: TilingConfig | None = None,
        cells: tuple[int, ...] = (),
        views: int = 1,
    ) -> Self:
        """Read one fold's `patch_index`, whose rows of a photo stand together.

        Args:
            table: One row a tile.
            tiling: How the tiles were laid; needed for cells.
            cells: Bounds in pixels of the cells along a tile's side; none, or one cell, is a row a
                tile.
            views: Rows that each cell has.

        Raises:
            StaleTilesError: The table was made with another tiling, or for other cells.
            ValueError: Cells are asked for without a tiling.
        """
        ids = table["image_id"].to_numpy()
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.empty(0, int)
        first = table.iloc[starts]
        tile_offsets = np.append(starts, len(ids)).astype(np.int64)
        tiles = table[["row_px", "col_px"]].to_numpy(dtype=np.int32)
        corners, shares = _cells(table, tile_offsets, tiling, cells)
        per_tile = views * len(corners)
        coords = np.broadcast_to(
            tiles[:, None, None] + corners, (len(tiles), views, len(corners), 2)
        )
        weight = table["area_weight"].to_numpy(dtype=np.float64)[:, None, None] * shares / views
        return cls(
            image_ids=tuple(first["image_id"]),
            image_sha256=tuple(first["image_sha256"]),
            paths=tuple(first["path"]),
            offsets=tile_offsets * per_tile,
            coords=coords.reshape(-1, 2).astype(np.int32),
            area_weight=np.repeat(weight, views, axis=1).astype(np.float32).ravel(),
            tiles=tiles,
            rows_per_tile=per_tile,
        )

    @property
    def n_patches(self) -> int:
        """How many feature rows the fold has."""
        return int(self.offsets[-1])

    @property
    def tile_offsets(self) -> NDArray[np.int64]:
        """Shape (photo + 1,): photo i has tiles `tile_offsets[i]:tile_offsets[i + 1]`."""
        return self.offsets // self.rows_per_tile

    def rows(self, index: int) -> slice:
        """The rows of one photo."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def tile_coords(self, index: int) -> NDArray[np.int32]:
        """The (row_px, col_px) of one photo's tiles, shape (tile, 2)."""
        rows = self.rows(index)
        return self.tiles[rows.start // self.rows_per_tile : rows.stop // self.rows_per_tile]

    def without(self, photos: Collection[int]) -> Self:
        """The same contents less some photos, given by their places."""
        left = [i for i in range(len(self.image_ids)) if i not in photos]
        lengths = np.diff(self.offsets)
        keep = np.isin(np.arange(len(lengths)), left)
        rows = np.repeat(keep, lengths)
        return type(self)(
            image_ids=tuple(self.image_ids[i] for i in left),
            image_sha256=tuple(self.image_sha256[i] for i in left),
            paths=tuple(self.paths[i] for i in left),
            offsets=np.concatenate([[0], np.cumsum(lengths[keep])]).astype(np.int64),
            coords=self.coords[rows],
            area_weight=self.area_weight[rows],
            tiles=self.tiles[rows[:: self.rows_per_tile]],
            rows_per_tile=self.rows_per_tile,
        )


def _cells(
    table: pd.DataFrame,
    tile_offsets: NDArray[np.int64],
    tiling: TilingConfig | None,
    bounds: Sequence[int],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The cells' corners within a tile, shape (cell, 2), and their shares, (tile, 1, cell)."""
    if len(bounds) <= 2:  # noqa: PLR2004  # one cell: the tile
        return np.zeros((1, 2), np.int32), np.ones((len(table), 1, 1))
    if tiling is None:
        msg = "cells need the tiling that the tiles were cut with"
        raise ValueError(msg)
    corner_px = np.asarray(bounds[:-1], np.int32)
    corners = np.stack(np.meshgrid(corner_px, corner_px, indexing="ij"), axis=-1).reshape(-1, 2)
    shares = np.empty((len(table), 1, len(corners)))
    whole: dict[tuple[int, int], NDArray[np.float64]] = {}
    for start, stop in pairwise(tile_offsets):
        tiles = table.iloc[start:stop]
        size = int(tiles["height_px"].iloc[0]), int(tiles["width_px"].iloc[0])
        if size not in whole:
            whole[size] = cell_shares(*size, tiling, bounds)
        places = _in_grid(size, tiling, tiles["row_px"].to_numpy(), tiles["col_px"].to_numpy())
        shares[start:stop, 0] = whole[size][places]
        partly = tiles["valid_fraction"] < tile_grid(*size, tiling).valid_fraction[places]
        for place in np.flatnonzero(partly):
            shares[start + place, 0] = _own_shares(tiles, int(place), len(corners))
    return corners, shares


def _own_shares(tiles: pd.DataFrame, place: int, n_cells: int) -> NDArray[np.float64]:
    """What `patch_index` says of a tile that is partly nodata, shape (cell,)."""
    found = tiles["cell_shares"].iloc[place] if "cell_shares" in tiles else None
    if found is None or len(found) != n_cells:
        raise StaleTilesError(why="for other `backbone.tokens`")
    return np.asarray(found, dtype=np.float64)


def _in_grid(
    size_px: tuple[int, int],
    tiling: TilingConfig,
    row_px: NDArray[np.int32],
    col_px: NDArray[np.int32],
) -> NDArray[np.int64]:
    """The places of tiles in the whole grid of their photo, which may have lost invalid ones."""
    grid = tile_grid(*size_px, tiling)
    rows, cols = np.unique(grid.row_px), np.unique(grid.col_px)
    down, across = np.searchsorted(rows, row_px), np.searchsorted(cols, col_px)
    places: NDArray[np.int64] = np.minimum(down * len(cols) + across, len(grid) - 1)
    if (grid.row_px[places] != row_px).any() or (grid.col_px[places] != col_px).any():
        raise StaleTilesError(why="with another tiling")
    return places
