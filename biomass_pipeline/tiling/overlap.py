"""How the tiles of a photo overlap: what is known a tile, as a map of the photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Cuts = tuple[Sequence[int], Sequence[int]]

_Number = TypeVar("_Number", np.int64, np.float64)

_ROW, _COL, _HEIGHT, _WIDTH = range(4)


@dataclass(frozen=True)
class Overlap:
    """A photo cut at the edges of all its tiles: within a piece, the same tiles lie on each other.

    So whatever is blended over tiles is constant on a piece, and sums over pixels are sums over
    pieces, exactly, however large the photo is.

    Attributes:
        row_edges: Shape (row piece + 1,), from 0 to the photo's height.
        col_edges: Shape (col piece + 1,), from 0 to the photo's width.
        rows: Shape (tile, row piece), 1 where the tile reaches over the rows.
        cols: Shape (tile, col piece), 1 where the tile reaches over the columns.
        depth: Shape (row piece, col piece), how many tiles lie on a piece.
    """

    row_edges: Counts
    col_edges: Counts
    rows: sparse.csr_array
    cols: sparse.csr_array
    depth: Counts

    @classmethod
    def of(
        cls, boxes: NDArray[np.integer], size_px: tuple[int, int], *, cuts: Cuts = ((), ())
    ) -> Self:
        """Cut a photo.

        Args:
            boxes: Shape (tile, 4), each tile's (row_px, col_px, height_px, width_px); what reaches
                over the photo's lower and right border counts for nothing.
            size_px: The photo's (height, width).
            cuts: Rows and columns to cut at as well.
        """
        whole = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
        row_edges, rows = _side(whole[:, _ROW], whole[:, _HEIGHT], size_px[0], cuts[0])
        col_edges, cols = _side(whole[:, _COL], whole[:, _WIDTH], size_px[1], cuts[1])
        depth = (rows.T @ cols).toarray()
        return cls(row_edges, col_edges, rows, cols, np.asarray(depth, dtype=np.int64))

    @property
    def area_px(self) -> Counts:
        """The pixels of each piece, shape (row piece, col piece)."""
        return np.outer(np.diff(self.row_edges), np.diff(self.col_edges))

    def weights(self, valid_px: Counts | None = None) -> Floats:
        """The share of the photo that each tile stands for, as `tile_grid` defines it.

        A pixel under m tiles counts 1/m in each.

        Args:
            valid_px: Shape (row piece, col piece), valid pixels of each piece; None: all are.

        Returns:
            Shape (tile,); adds up to 1 if the tiles cover all that is valid.

        Raises:
            ValueError: There is no valid pixel.
        """
        area = self.area_px if valid_px is None else valid_px
        if not area.sum():
            msg = "a photo without a valid pixel has no map"
            raise ValueError(msg)
        share = self._within(area / np.maximum(self.depth, 1))
        # Sums of fractions leave crumbs where nothing is.
        share[self._within(area.astype(np.float64)) == 0] = 0.0
        return share / float(area.sum())

    def blended(self, values: Floats) -> Floats:
        """The mean of the tiles on each piece; 0 where no tile lies.

        Args:
            values: Shape (tile,).

        Returns:
            Shape (row piece, col piece). Its mean over the photo's valid pixels is the sum of
            `values * weights(valid_px)`.
        """
        total = (self.rows.T @ sparse.diags_array(values) @ self.cols).toarray()
        return np.asarray(total / np.maximum(self.depth, 1), dtype=np.float64)

    def _within(self, values: Floats) -> Floats:
        """The sum over each tile's pieces, shape (tile,), by sums from the corner on."""
        before = before_corner(values)
        (top, bottom), (left, right) = _ends(self.rows), _ends(self.cols)
        found = before[bottom, right] - before[top, right] - before[bottom, left]
        return np.asarray(found + before[top, left], dtype=np.float64)


def before_corner(values: NDArray[_Number]) -> NDArray[_Number]:
    """The sum of all values above and left of each corner, shape (row + 1, col + 1)."""
    summed = np.zeros((values.shape[0] + 1, values.shape[1] + 1), dtype=values.dtype)
    summed[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    return summed


def _side(
    start: Counts, length: Counts, extent_px: int, cuts: Sequence[int]
) -> tuple[Counts, sparse.csr_array]:
    """The edges along one side, and which tiles reach over what is between them."""
    first = np.clip(start, 0, extent_px)
    last = np.clip(start + length, first, extent_px)
    asked = np.clip(np.asarray(cuts, dtype=np.int64), 0, extent_px)
    edges = np.unique(np.concatenate([[0, extent_px], first, last, asked]))
    begin, end = np.searchsorted(edges, first), np.searchsorted(edges, last)
    counts = end - begin
    offsets = np.concatenate([[0], np.cumsum(counts)])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts) + np.repeat(begin, counts)
    shape = (len(start), len(edges) - 1)
    return edges, sparse.csr_array((np.ones(len(within)), within, offsets), shape=shape)


def _ends(side: sparse.csr_array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first piece under each tile, and the one after its last."""
    counts = np.diff(side.indptr)
    padded = np.append(side.indices, 0)
    first = np.where(counts > 0, padded[side.indptr[:-1]], 0)
    return first.astype(np.intp), (first + counts).astype(np.intp)
