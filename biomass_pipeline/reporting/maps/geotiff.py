"""A map as a Cloud-Optimised GeoTIFF: a band a target, to be laid over other maps."""

import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.reporting.maps.photo_map import PhotoMap

VALID_SHARE: Final = "valid_share"


def geotiff(photo: PhotoMap) -> bytes:
    """Write the maps of a georeferenced photo on square cells of `cell_px` of its pixels.

    A band holds the density of its target (kg DM/ha, or the target's unit where that is not g) on
    the valid part of each cell; NaN, the nodata value, where nothing of it is valid. The last band,
    `valid_share`, is the share of each cell that is valid photo: less than 1 at nodata and at the
    lower and right border, where cells may reach over the photo. So for each target

        sum(density * valid_share) / sum(valid_share) = the prediction,

    and the mass of any part of the map is the sum over its cells of density, valid share and the
    cell's ground. Tags hold the predictions.

    Raises:
        ValueError: The photo has no place on Earth.
    """
    place = photo.georeference
    if place is None:
        msg = "a map of a photo without map coordinates is no GeoTIFF"
        raise ValueError(msg)
    from rasterio.env import Env  # noqa: PLC0415  # maps of plain photos need no GDAL
    from rasterio.io import MemoryFile  # noqa: PLC0415  # as above
    from rasterio.shutil import copy  # noqa: PLC0415  # as above
    from rasterio.transform import Affine  # noqa: PLC0415  # as above

    names, units, bands = _bands(photo)
    profile = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "crs": place.crs,
        "transform": Affine(*place.transform) @ Affine.scale(photo.cell_px),
        "nodata": float("nan"),
        "interleave": "band",
    }
    with Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as plain, MemoryFile() as cloud:
        with plain.open(**profile) as raster:
            raster.write(bands)
            raster.descriptions, raster.units = names, units
            raster.update_tags(**_tags(photo))
        with plain.open() as raster:
            options = {"COMPRESS": "DEFLATE", "PREDICTOR": "YES", "OVERVIEW_RESAMPLING": "AVERAGE"}
            copy(raster, cloud.name, driver="COG", **options)
        return bytes(cloud.read())


def _bands(photo: PhotoMap) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.float32]]:
    """Names, units and values, shape (band, cell row, cell col)."""
    found, units = [], []
    share: NDArray[np.float64] = np.empty((0, 0))
    for target in photo.targets:
        grid, unit = photo.raster(target)
        found.append(grid.density)
        units.append(unit)
        share = grid.valid_px / float(photo.cell_px**2)
    bands = np.stack([*found, share]).astype(np.float32)
    return (*photo.targets, VALID_SHARE), (*units, "1"), bands


def _tags(photo: PhotoMap) -> dict[str, Any]:
    grams = {name: photo.tile_map(name).total for name in photo.targets}
    return {
        "image_id": photo.image_id,
        "kind": photo.tiles.kind,
        "prediction": json.dumps(grams),
        "prediction_units": json.dumps(dict(photo.tiles.units)),
        "quadrat_area_m2": repr(photo.ground.quadrat_area_m2),
        "cell_px": str(photo.cell_px),
        "law": "sum(density * valid_share) / sum(valid_share) = prediction",
    }
