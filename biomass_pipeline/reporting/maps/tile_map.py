"""The map of one photo and target: what of a prediction lies where."""

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.tiling import Overlap, ValidPixels

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Kind = Literal["contribution", "attention"]
_Number = TypeVar("_Number", np.int64, np.float64)


@dataclass(frozen=True)
class DensityGrid:
    """A map on disjoint cells.

    The mean of `density`, weighted by `valid_px`, is the prediction.

    Attributes:
        row_edges: Shape (cell row + 1,), in pixels of the photo.
        col_edges: Shape (cell col + 1,), in pixels of the photo.
        density: Shape (cell row, cell col), what would be predicted if all of the photo were like
            the valid part of the cell; NaN where nothing of it is valid.
        valid_px: Shape (cell row, cell col), the valid pixels of each cell.
    """

    row_edges: Counts
    col_edges: Counts
    density: Floats
    valid_px: Counts

    @property
    def amounts(self) -> Floats:
        """What of the prediction lies in each cell, shape (cell row, cell col); adds up to it."""
        return np.nan_to_num(self.density) * self.valid_px / float(self.valid_px.sum())


@dataclass(frozen=True)
class TileMap:
    """A prediction, divided up over the tiles of its photo.

    Attributes:
        height_px: Of the upright photo.
        width_px: Of the upright photo.
        boxes: Shape (tile, 4), each tile's (row_px, col_px, height_px, width_px). Tiles may overlap
            and may reach over the photo's lower and right border.
        values: Shape (tile,), each tile's part in the target's unit, >= 0; they add up to the
            prediction.
        kind: `contribution`: what the network finds on the tile. `attention`: the prediction
            divided up by where the network looked.
        target: What is predicted.
        unit: Of the prediction, such as g.
        valid: The pixels that are neither nodata nor transparent, counted at the tiles' edges and
            wherever else the map is to be cut; None: all are.
    """

    height_px: int
    width_px: int
    boxes: NDArray[np.int64]
    values: Floats
    kind: Kind
    target: str
    unit: str = "g"
    valid: ValidPixels | None = None

    @property
    def total(self) -> float:
        """The prediction: the sum of all tiles."""
        return float(self.values.sum())

    @property
    def n_valid_px(self) -> int:
        """How many pixels the prediction is about."""
        return self.height_px * self.width_px if self.valid is None else self.valid.n_px

    def grid(self, row_edges: Counts, col_edges: Counts) -> DensityGrid:
        """Blend the tiles on disjoint cells: each pixel has the mean of the tiles on it.

        Args:
            row_edges: Where cells begin and end, from 0 to the height.
            col_edges: Likewise, from 0 to the width.
        """
        size_px = (self.height_px, self.width_px)
        overlap = Overlap.of(self.boxes, size_px, cuts=(row_edges.tolist(), col_edges.tolist()))
        area = self._valid_px(overlap)
        density = overlap.blended(density_of(self.values, overlap.weights(area)))
        places = [
            np.searchsorted(edges, cuts[:-1])
            for edges, cuts in ((overlap.row_edges, row_edges), (overlap.col_edges, col_edges))
        ]
        amount, valid_px = _summed(density * area, places), _summed(area, places)
        shown = np.full(amount.shape, np.nan)
        np.divide(amount, valid_px, out=shown, where=valid_px > 0)
        return DensityGrid(row_edges, col_edges, shown, valid_px)

    def tile_density(self) -> Floats:
        """What would be predicted if all of the photo were like the tile, shape (tile,)."""
        overlap = Overlap.of(self.boxes, (self.height_px, self.width_px))
        return density_of(self.values, overlap.weights(self._valid_px(overlap)))

    def _valid_px(self, overlap: Overlap) -> Counts:
        if self.valid is None:
            return overlap.area_px
        return self.valid.between(overlap.row_edges, overlap.col_edges)


def picture_edges(boxes: NDArray[np.int64], size_px: tuple[int, int]) -> tuple[Counts, Counts]:
    """The edges of equal cells, as many along each side as there are tiles: for people to look at.

    Args:
        boxes: Shape (tile, 4), as `TileMap` has them.
        size_px: (height, width) of the photo.
    """
    rows, cols = (
        _even_edges(extent, len(np.unique(start[start < extent])))
        for extent, start in zip(size_px, boxes[:, :2].T, strict=True)
    )
    return rows, cols


def _even_edges(extent_px: int, n_cells: int) -> Counts:
    return np.unique(np.rint(np.linspace(0, extent_px, n_cells + 1)).astype(np.int64))


def density_of(values: Floats, weight: Floats) -> Floats:
    """Amounts of tiles as amounts of a whole photo like them.

    What fell to tiles of no valid area (attention to reflections, or to nodata) is divided over the
    others in proportion to theirs.

    Args:
        values: Shape (tile,), >= 0.
        weight: Shape (tile,), the share of the photo's valid area of each; adds up to 1.

    Returns:
        Shape (tile,); `weight @ density_of(values, weight)` is the sum of `values`.
    """
    lies = weight > 0
    total, lying = float(values.sum()), float(values[lies].sum())
    if total > 0 and lying <= 0:
        return np.full(len(values), total)
    scale = total / lying if lying > 0 else 0.0
    return np.divide(values * scale, weight, out=np.zeros(len(values)), where=lies)


def _summed(values: NDArray[_Number], places: list[NDArray[np.intp]]) -> NDArray[_Number]:
    """Sums of the pieces of each cell."""
    for axis, starts in enumerate(places):
        values = np.add.reduceat(values, starts, axis=axis)
    return values
