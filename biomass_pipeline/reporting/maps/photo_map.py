"""All targets' maps of one photo, on the same tiles."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.reporting.maps.ground import Georeference, Ground
from biomass_pipeline.reporting.maps.tile_map import (
    Counts,
    DensityGrid,
    Kind,
    TileMap,
    density_of,
    picture_edges,
)
from biomass_pipeline.tiling import Overlap, ValidPixels

Floats = NDArray[np.float64]

# A cell of the raster is at least this share of the step from tile to tile.
_FINEST: int = 4


@dataclass(frozen=True)
class Tiles:
    """The tiles of a photo and what each gives.

    Attributes:
        boxes: Shape (tile, 4), as `TileMap` has them.
        parts: By target, shape (tile,), >= 0.
        units: By target.
        kind: As `TileMap` has it.
    """

    boxes: NDArray[np.int64]
    parts: Mapping[str, Floats]
    units: Mapping[str, str]
    kind: Kind


@dataclass(frozen=True)
class PhotoMap:
    """The maps of a photo.

    Attributes:
        image_id: The photo.
        size_px: (height, width) of the upright photo.
        tiles: What each gives: nothing where it has no valid area.
        area_weight: Shape (tile,), the share of the valid photo that each stands for.
        ground: What a pixel is on the ground.
        georeference: Where on Earth it lies; None for a plain photo.
        valid: Its valid pixels, counted at the edges of tiles and of both grids; None: all are.
        cell_px: Side of the cells of `raster_edges`.
    """

    image_id: str
    size_px: tuple[int, int]
    tiles: Tiles
    area_weight: Floats
    ground: Ground
    georeference: Georeference | None
    valid: ValidPixels | None
    cell_px: int

    @classmethod
    def of(  # noqa: PLR0913  # one argument a fact of the photo
        cls,
        image_id: str,
        size_px: tuple[int, int],
        tiles: Tiles,
        *,
        quadrat_area_m2: float,
        cell_px: int,
        georeference: Georeference | None = None,
        valid: ValidPixels | None = None,
    ) -> Self:
        """Put maps together.

        Args:
            image_id: The photo.
            size_px: (height, width) of the upright photo.
            tiles: What each gives. What was given to tiles of no valid area is divided over the
                others.
            quadrat_area_m2: The ground of a weighed photo.
            cell_px: Side of the raster's cells.
            georeference: Where on Earth it lies.
            valid: Its valid pixels, counted at least at `edges_to_count`.
        """
        overlap = Overlap.of(tiles.boxes, size_px)
        counts = None if valid is None else valid.between(overlap.row_edges, overlap.col_edges)
        weight = overlap.weights(counts)
        parts = {name: density_of(part, weight) * weight for name, part in tiles.parts.items()}
        px_area_m2 = None
        if georeference is not None:
            px_area_m2 = georeference.area_m2(*size_px) / (size_px[0] * size_px[1])
        return cls(
            image_id=image_id,
            size_px=size_px,
            tiles=replace(tiles, parts=parts),
            area_weight=weight,
            ground=Ground(quadrat_area_m2, px_area_m2),
            georeference=georeference,
            valid=valid,
            cell_px=cell_px,
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """What is predicted."""
        return tuple(self.tiles.parts)

    @property
    def valid_area_m2(self) -> float | None:
        """The ground that is mapped; None for a plain photo."""
        n_px = self.valid.n_px if self.valid else self.size_px[0] * self.size_px[1]
        return None if self.ground.px_area_m2 is None else n_px * self.ground.px_area_m2

    def tile_map(self, target: str) -> TileMap:
        """The map of one target."""
        return TileMap(
            *self.size_px,
            boxes=self.tiles.boxes,
            values=self.tiles.parts[target],
            kind=self.tiles.kind,
            target=target,
            unit=self.tiles.units[target],
            valid=self.valid,
        )

    def densities(self, target: str) -> tuple[Floats, str]:
        """What is found on each tile, shape (tile,), as a density, and its unit.

        Grams become kg DM/ha; other targets keep their unit, as if all of the photo were so.
        """
        density = density_of(self.tiles.parts[target], self.area_weight)
        unit = self.tiles.units[target]
        return (density * self.ground.kg_dm_ha, "kg DM/ha") if unit == "g" else (density, unit)

    def raster(self, target: str) -> tuple[DensityGrid, str]:
        """The map on square cells, and the unit of its densities, as `densities` has them."""
        grid = self.tile_map(target).grid(*raster_edges(self.size_px, self.cell_px))
        if self.tiles.units[target] != "g":
            return grid, self.tiles.units[target]
        return replace(grid, density=grid.density * self.ground.kg_dm_ha), "kg DM/ha"


def raster_edges(size_px: tuple[int, int], cell_px: int) -> tuple[Counts, Counts]:
    """Where square cells begin and end; those at the lower and right border may be cut off."""
    rows, cols = (np.append(np.arange(0, extent, cell_px), extent) for extent in size_px)
    return rows.astype(np.int64), cols.astype(np.int64)


def edges_to_count(
    boxes: NDArray[np.int64], size_px: tuple[int, int], cell_px: int
) -> tuple[Counts, Counts]:
    """All edges at which valid pixels have to be counted for a photo's maps.

    Args:
        boxes: Shape (tile, 4).
        size_px: (height, width) of the upright photo.
        cell_px: Side of the raster's cells.
    """
    sides = zip(raster_edges(size_px, cell_px), picture_edges(boxes, size_px), strict=True)
    rows, cols = ([*raster.tolist(), *picture.tolist()] for raster, picture in sides)
    overlap = Overlap.of(boxes, size_px, cuts=(rows, cols))
    return overlap.row_edges, overlap.col_edges


def cell_px_of(stride_px: int, cells: tuple[int, ...]) -> int:
    """The side of a raster's cells: as fine as the tiles tell apart, or a little finer.

    Where parts of tiles have features of their own, it is the side of such a part; else the
    smallest divisor of the stride that is at least a quarter of it, so that all tiles but those
    pulled back at the border begin where a cell does.

    >>> [cell_px_of(400, (0, 518)), cell_px_of(200, (0, 250)), cell_px_of(400, (0, 126, 252))]
    [100, 50, 126]

    Args:
        stride_px: Step from tile to tile.
        cells: Bounds of the cells along a tile's side.
    """
    if len(cells) > 2:  # noqa: PLR2004  # bounds of one cell
        return cells[1]
    return next(
        side
        for side in range(1, stride_px + 1)
        if not stride_px % side and side * _FINEST >= stride_px
    )
