"""Maps of photos that have to be opened: for which pixels are valid, and for a picture of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from biomass_pipeline.config import Config
from biomass_pipeline.features import cells_of
from biomass_pipeline.imaging import ReadLimits, Thumbnail, read_thumbnail
from biomass_pipeline.inference.evidence import Evidence
from biomass_pipeline.manifest import read_validity
from biomass_pipeline.reporting.maps.ground import Georeference
from biomass_pipeline.reporting.maps.photo_map import PhotoMap, Tiles, cell_px_of, edges_to_count
from biomass_pipeline.tiling import ValidPixels

# A picture has no longer side: more would not be seen.
_PICTURE_SIDE_PX = 2000


@dataclass(frozen=True)
class PhotoReader:
    """Opens photos again, in bands where they are large, so that none is held whole.

    Attributes:
        open: Opens a photo by its path, as a seekable binary stream.
        config: How photos are read and tiled, and what is predicted.
    """

    open: Callable[[str], BinaryIO]
    config: Config

    def map_of(
        self, evidence: Evidence, photo: int, *, row: Mapping[str, Any], cell_px: int | None = None
    ) -> PhotoMap:
        """The maps of one photo.

        Args:
            evidence: What is predicted of it, tile by tile.
            photo: Its place there.
            row: Of the manifest: `path, sha256, height_px, width_px, valid_fraction, crs,
                transform`.
            cell_px: Side of the raster's cells; None: as `cell_px_of`.

        Raises:
            ChangedImageError: It is not the photo that the manifest saw.
            UnreadableImageError: It cannot be decoded.
            OSError: It cannot be opened.
        """
        data, tiling = self.config.data, self.config.tiling
        cells = cells_of(self.config.backbone, tile_px=tiling.tile_px)
        side = cell_px or cell_px_of(tiling.stride_px, cells)
        size_px = (int(row["height_px"]), int(row["width_px"]))
        boxes = evidence.boxes[evidence.tiles(photo)]
        tiles = Tiles(
            boxes=boxes,
            parts=dict(zip(evidence.targets.names, evidence.values(photo).T, strict=True)),
            units={target.name: target.unit for target in data.targets},
            kind="contribution" if evidence.additive else "attention",
        )
        valid = None
        if float(row["valid_fraction"]) < 1:
            valid = self._valid(row, *edges_to_count(boxes, size_px, side))
        return PhotoMap.of(
            evidence.image_ids[photo],
            size_px,
            tiles,
            quadrat_area_m2=data.quadrat_area_m2,
            cell_px=side,
            georeference=Georeference.read(str(row["crs"]), str(row["transform"])),
            valid=valid,
        )

    def picture(self, path: str, *, max_side_px: int = _PICTURE_SIDE_PX) -> Thumbnail:
        """A picture of a photo; errors as in `map_of`."""
        with self.open(path) as stream:
            return read_thumbnail(stream, max_side_px=max_side_px, limits=self._limits)

    def _valid(self, row: Mapping[str, Any], row_edges: Any, col_edges: Any) -> ValidPixels:  # noqa: ANN401  # arrays
        path, sha256 = str(row["path"]), str(row["sha256"])
        with self.open(path) as stream:
            picture = read_validity(stream, path=path, sha256=sha256, limits=self._limits)
            return ValidPixels.of(picture, row_edges, col_edges)

    @property
    def _limits(self) -> ReadLimits:
        return ReadLimits(
            max_pixels=self.config.data.max_pixels,
            stream_above_px=self.config.imaging.stream_above_px,
        )
