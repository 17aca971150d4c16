"""What nodata takes from a photo's tiles: which are left, and what area each stands for then."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.manifest import Picture
from biomass_pipeline.tiling.grid import TileGrid, tile_grid

_Axis = tuple[NDArray[np.int64], NDArray[np.bool_]]


def valid_grid(picture: Picture, spec: TilingConfig) -> tuple[NDArray[np.int64], TileGrid]:
    """Lay tiles over a photo as `tile_grid` does, and keep those that hold a valid pixel.

    The edges of all tiles cut the photo into cells, in each of which equally many tiles overlap. So
    the valid pixels of each cell are counted, band by band, and everything else is arithmetic on
    these whole numbers: `area_weight` is the sum over a tile's valid pixels of 1/m, over the number
    of valid pixels in the photo.

    Args:
        picture: Its bands say which pixels are valid; they are read once.
        spec: Tile size, stride and border mode.

    Returns:
        The positions in the whole grid, shape (tile,), and these tiles. Their `valid_fraction` is
        the share of a tile that is valid photo, neither reflection nor nodata.

    Raises:
        ValueError: There is no valid pixel.
    """
    grid = tile_grid(*picture.size_px, spec)
    (row_edges, rows), (col_edges, cols) = (
        _cells(starts, extent_px, spec.tile_px)
        for starts, extent_px in zip((grid.row_px, grid.col_px), picture.size_px, strict=True)
    )
    valid = _count_valid(picture, row_edges, col_edges)
    if not valid.sum():
        msg = "a photo without a valid pixel has no tiles"
        raise ValueError(msg)
    share = (rows / rows.sum(axis=0)) @ valid @ (cols / cols.sum(axis=0)).T / valid.sum()
    n_valid = rows.astype(np.int64) @ valid @ cols.astype(np.int64).T
    kept = np.flatnonzero(n_valid)
    return kept, TileGrid(
        row_px=grid.row_px[kept],
        col_px=grid.col_px[kept],
        area_weight=share.ravel()[kept].astype(np.float32),
        valid_fraction=(n_valid.ravel()[kept] / spec.tile_px**2).astype(np.float32),
    )


def _cells(starts: NDArray[np.int32], extent_px: int, tile_px: int) -> _Axis:
    """Along one side: the edges of the cells, and which tiles cover each, shape (tile, cell)."""
    first = np.unique(starts).astype(np.int64)
    last = np.minimum(first + tile_px, extent_px)
    edges = np.unique(np.concatenate([first, last]))
    covers = (first[:, None] <= edges[:-1]) & (edges[1:] <= last[:, None])
    return edges, covers


def _count_valid(
    picture: Picture, row_edges: NDArray[np.int64], col_edges: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The valid pixels of each cell, shape (row cell, col cell), of the upright photo."""
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
    """Add a band's valid pixels to the cells that it meets; `rows` counts from its first row."""
    within: NDArray[Any] = np.clip(rows, 0, len(valid))
    for cell in np.flatnonzero(np.diff(within)):
        column = valid[within[cell] : within[cell + 1]].sum(axis=0, dtype=np.int64)
        counts[cell] += np.add.reduceat(column, cols[:-1])
