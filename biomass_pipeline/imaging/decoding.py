"""From a file's bytes to upright 8-bit RGB, once a photo.

Pillow decodes everything. OpenCV's exact JPEG decoder gives the same pixels and is hardly faster,
while its verdict on damaged files differs from the manifest's.
"""

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from biomass_pipeline.manifest.photograph import LoadedPhoto, load_photo

# EXIF 2.32, table 6: what turns the stored picture upright.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE: Final = (255, 255, 255, 255)


def decode(data: bytes, *, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a photo into upright RGB.

    Grey is repeated over the channels, transparency is laid on white, CMYK is converted, and 16-bit
    values are scaled from 0..65535 to 0..255.

    Args:
        data: The whole file: JPEG, PNG, TIFF or WebP.
        max_pixels: More than this counts as a decompression bomb.

    Returns:
        Shape (height, width, 3).

    Raises:
        UnreadableImageError: With the reason that the manifest gives for the same bytes.
    """
    photo = load_photo(BytesIO(data), max_pixels=max_pixels)
    image = _rgb(photo)
    if photo.orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[photo.orientation])
    return np.array(image, dtype=np.uint8)


def _rgb(photo: LoadedPhoto) -> Image.Image:
    image = photo.image
    if image.mode.startswith("I;16"):
        image = _eight_bit(image)
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey from 0..65535 to 0..255, nearest step; a transparent value stays."""
    values = np.asarray(image).astype(np.uint32)
    scaled = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return Image.fromarray(scaled)
    alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    return Image.merge("LA", (Image.fromarray(scaled), Image.fromarray(alpha)))
