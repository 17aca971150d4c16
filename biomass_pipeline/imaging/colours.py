"""From a band's own channels to 8-bit RGB."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from biomass_pipeline.manifest import Band

_WHITE: Final = (255, 255, 255, 255)
# Pillow's conversions go by pieces of about this size: they need four bytes a pixel, several times.
_PIECE_PX: Final = 1 << 20


def rgb(band: Band) -> NDArray[np.uint8]:
    """Turn a band into RGB, shape (row, col, 3).

    Grey is repeated over the channels, transparency is laid on white, CMYK is converted, and what
    is nodata becomes white.
    """
    if band.mode == "RGB" and band.nodata is None:
        return band.samples
    rows, cols = band.samples.shape[:2]
    found = np.empty((rows, cols, 3), dtype=np.uint8)
    step = max(_PIECE_PX // cols, 1)
    for row in range(0, rows, step):
        found[row : row + step] = _converted(band.samples[row : row + step], band.mode)
    if band.nodata is not None:
        found[band.nodata] = 255
    return found


def _converted(samples: NDArray[np.uint8], mode: str) -> NDArray[np.uint8]:
    """Something that broadcasts to RGB."""
    if mode in {"RGB", "L"}:
        return samples
    image = Image.fromarray(samples, mode)
    if mode != "CMYK":
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
    return np.asarray(image.convert("RGB"))
