"""What nodata takes from a photo's tiles: which are left, and what area each stands for then."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.manifest import Picture
from biomass_pipeline.tiling.cells import checked_bounds
from biomass_pipeline.tiling.grid import TileGrid, tile_grid


class ValidTiles(NamedTuple):
    """What nodata leaves of a photo's tiles.

    Attributes:
        kept: Shape (tile,), their positions in the whole grid.
        grid: These tiles. `valid_fraction` is the share of a tile that is valid photo, neither
            reflection nor nodata.
        cell_shares: One a tile: the share of its area weight that falls into each of its cells, row
            by row; None where the tile has no nodata, so that `cell_shares` of its photo holds, and
            where no cells were asked for.
    """

    kept: NDArray[np.int64]
    grid: TileGrid
    cell_shares: list[NDArray[np.float64] | None]


class _Side(NamedTuple):
    """One side of a photo: where tiles begin and end, and all edges that cut it."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    edges: NDArray[np.int64]

    def covers(self) -> NDArray[np.bool_]:
        """Which tiles cover the piece between two edges, shape (tile, piece)."""
        begin, end = self.edges[:-1], self.edges[1:]
        return (self.first[:, None] <= begin) & (end <= self.last[:, None])

    def cut_at(self, bounds: NDArray[np.int64]) -> "_Side":
        """The same side, cut at the bounds of each tile's cells as well."""
        inner = np.minimum(self.first[:, None] + bounds, self.last[:, None])
        return self._replace(edges=np.unique(np.concatenate([self.edges, inner.ravel()])))

    def cell_weights(self, bounds: NDArray[np.int64]) -> list[tuple[slice, NDArray[np.float64]]]:
        """For each tile its pieces, and what they weigh in each cell, shape (cell, piece)."""
        weight = 1 / self.covers().sum(axis=0)
        found = []
        for first, last in zip(self.first, self.last, strict=True):
            within = slice(*np.searchsorted(self.edges, [first, last]).tolist())
            begin, ends = self.edges[within], np.minimum(first + bounds, last)
            in_cell = (ends[:-1, None] <= begin) & (begin < ends[1:, None])
            found.append((within, in_cell * weight[within]))
        return found


def valid_grid(picture: Picture, spec: TilingConfig, bounds_px: Sequence[int] = ()) -> ValidTiles:
    """Lay tiles over a photo as `tile_grid` does, and keep those that hold a valid pixel.

    The edges of all tiles, and of their cells, cut the photo into pieces, in each of which equally
    many tiles overlap. So the valid pixels of each piece are counted, band by band, and everything
    else is arithmetic on these whole numbers: `area_weight` is the sum over a tile's valid pixels
    of 1/m, over the number of valid pixels in the photo.

    Args:
        picture: Its bands say which pixels are valid; they are read once.
        spec: Tile size, stride and border mode.
        bounds_px: Where the cells begin and end along a tile's side; none for tiles without cells.

    Raises:
        ValueError: There is no valid pixel, or the cells do not cover a tile.
    """
    grid = tile_grid(*picture.size_px, spec)
    down = _side(grid.row_px, picture.size_px[0], spec.tile_px)
    across = _side(grid.col_px, picture.size_px[1], spec.tile_px)
    bounds = checked_bounds(bounds_px or (0, spec.tile_px), spec.tile_px)
    fine = down.cut_at(bounds), across.cut_at(bounds)
    counts = count_valid(picture, fine[0].edges, fine[1].edges)
    valid = _summed(counts, fine, (down, across))
    if not valid.sum():
        msg = "a photo without a valid pixel has no tiles"
        raise ValueError(msg)
    rows, cols = down.covers(), across.covers()
    share = (rows / rows.sum(axis=0)) @ valid @ (cols / cols.sum(axis=0)).T / valid.sum()
    n_valid = (rows.astype(np.int64) @ valid @ cols.astype(np.int64).T).ravel()
    kept = np.flatnonzero(n_valid)
    found = TileGrid(
        row_px=grid.row_px[kept],
        col_px=grid.col_px[kept],
        area_weight=share.ravel()[kept].astype(np.float32),
        valid_fraction=(n_valid[kept] / spec.tile_px**2).astype(np.float32),
    )
    whole = n_valid == np.outer(down.last - down.first, across.last - across.first).ravel()
    partly = np.zeros(len(grid), bool) if len(bounds_px) == 0 else ~whole
    return ValidTiles(kept, found, list(_cell_shares(counts, fine, bounds, (kept, partly))))


def _side(starts: NDArray[np.int32], extent_px: int, tile_px: int) -> _Side:
    first = np.unique(starts).astype(np.int64)
    last = np.minimum(first + tile_px, extent_px)
    return _Side(first, last, np.unique(np.concatenate([first, last])))


def _summed(
    counts: NDArray[np.int64], fine: tuple[_Side, _Side], coarse: tuple[_Side, _Side]
) -> NDArray[np.int64]:
    """Counts of the fine pieces, summed over those between the coarse edges."""
    for axis in (0, 1):
        starts = np.searchsorted(fine[axis].edges, coarse[axis].edges[:-1])
        counts = np.add.reduceat(counts, starts, axis=axis)
    return counts


def _cell_shares(
    counts: NDArray[np.int64],
    sides: tuple[_Side, _Side],
    bounds: NDArray[np.int64],
    which: tuple[NDArray[np.int64], NDArray[np.bool_]],
) -> Iterator[NDArray[np.float64] | None]:
    """The shares of the kept tiles' cells, for those that are partly nodata."""
    kept, partly = which
    down, across = (side.cell_weights(bounds) for side in sides)
    for place in kept:
        if not partly[place]:
            yield None
            continue
        (rows, row_weights), (cols, col_weights) = (
            down[place // len(across)],
            across[place % len(across)],
        )
        weights = row_weights @ counts[rows, cols] @ col_weights.T
        yield weights.ravel() / weights.sum()


def count_valid(
    picture: Picture, row_edges: NDArray[np.int64], col_edges: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The valid pixels of each piece, shape (row piece, col piece), of the upright photo.

    Args:
        picture: Its bands are read once.
        row_edges: Where rows are cut, from 0 to the height.
        col_edges: Where columns are cut, from 0 to the width.
    """
    turn = picture.orientation
    rows, cols = (col_edges, row_edges) if turn.transposed else (row_edges, col_edges)
    if turn.rows_flipped:
        rows = picture.stored_px[0] - rows[::-1]
    if turn.cols_flipped:
        cols = picture.stored_px[1] - cols[::-1]
    counts = np.zeros((len(rows) - 1, len(cols) - 1), dtype=np.int64)
    for band in picture.bands:
        _add(counts, band.valid(), rows - band.row_px, cols)
    return turn.upright(counts)


def _add(
    counts: NDArray[np.int64],
    valid: NDArray[np.bool_],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
) -> None:
    """Add a band's valid pixels to the pieces that it meets; `rows` counts from its first row."""
    within: NDArray[Any] = np.clip(rows, 0, len(valid))
    for piece in np.flatnonzero(np.diff(within)):
        column = valid[within[piece] : within[piece + 1]].sum(axis=0, dtype=np.int64)
        counts[piece] += np.add.reduceat(column, cols[:-1])
