"""GeoTIFFs written for a test."""

import warnings

import numpy as np
from rasterio import Affine
from rasterio.env import Env
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

TILED = {"tiled": True, "blockxsize": 64, "blockysize": 32}
PLACED = {"crs": "EPSG:32755", "transform": Affine(0.5, 0, 600_000, 0, -0.25, 6_000_000)}


def geotiff(pixels, *, mask=None, **options):
    """A TIFF's bytes of pixels (row, col, band), with an internal mask of valid pixels."""
    height, width, count = pixels.shape
    options = {"photometric": "RGB" if count >= 3 else "MINISBLACK", **options}
    with warnings.catch_warnings(), Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as file:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with file.open(
            driver="GTiff",
            height=height,
            width=width,
            count=count,
            dtype=pixels.dtype.name,
            **options,
        ) as raster:
            raster.write(pixels.transpose(2, 0, 1))
            if mask is not None:
                raster.write_mask(mask)
        return file.read()


def smooth(height, width, count=3, *, seed=0, dtype=np.uint8):
    """Pixels with gradients and some noise, as photos have them."""
    steps = np.random.default_rng(seed).integers(0, 9, (height, width, count))
    return (np.cumsum(steps, axis=1) * (1 if dtype == np.uint8 else 251)).astype(dtype)
