"""The cells of a tile: what share of the tile's area each of them stands for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.tiling.grid import shared_before, tile_grid


def cell_shares(
    height_px: int, width_px: int, spec: TilingConfig, bounds_px: Sequence[int]
) -> NDArray[np.float64]:
    """The share of each tile's area weight that falls into each of its cells.

    A pixel that m tiles cover counts 1/m in each, as in `tile_grid`; m is a product of one count an
    axis, so a cell's share is the product of its row's and its column's: exact, without a pixel
    map. A cell beyond the edge of a photo smaller than a tile holds reflections only: 0. All of the
    photo counts as valid; what nodata changes is in `valid_grid`.

    Args:
        height_px: Height of the upright photo.
        width_px: Width of the upright photo.
        spec: Tile size, stride and border mode.
        bounds_px: Where the cells begin and end along a tile's side: 0 first, its length last.

    Returns:
        Shape (tile, cell), tiles as in `tile_grid`, cells row by row; sums to 1 over the cells.

    Raises:
        ValueError: The cells do not cover a tile from side to side.
    """
    bounds = checked_bounds(bounds_px, spec.tile_px)
    grid = tile_grid(height_px, width_px, spec)
    rows = _along(height_px, np.unique(grid.row_px), bounds)
    cols = _along(width_px, np.unique(grid.col_px), bounds)
    shares: NDArray[np.float64] = np.einsum("ai,bj->abij", rows, cols)
    return shares.reshape(len(grid), (len(bounds) - 1) ** 2)


def checked_bounds(bounds_px: Sequence[int], tile_px: int) -> NDArray[np.int64]:
    """The bounds of cells along a tile's side, shape (cell + 1,).

    Args:
        bounds_px: Where the cells begin and end.
        tile_px: Side of a tile.

    Raises:
        ValueError: The cells do not cover the side.
    """
    bounds = np.asarray(bounds_px, dtype=np.int64)
    ends_fit = bounds.size > 1 and bounds[0] == 0 and bounds[-1] == tile_px
    if not ends_fit or (np.diff(bounds) < 1).any():
        msg = f"cells with bounds {tuple(bounds_px)} do not divide a side of {tile_px} px"
        raise ValueError(msg)
    return bounds


def _along(
    extent_px: int, starts: NDArray[np.int32], bounds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Shape (start, cell): the share of each window's weight along one side in each cell."""
    edges = np.minimum(starts[:, None] + bounds, extent_px)
    at_edges = shared_before(edges[:, 0], edges[:, -1], extent_px)[edges]
    shares: NDArray[np.float64] = np.diff(at_edges) / (at_edges[:, -1:] - at_edges[:, :1])
    return shares
