"""A photo as a small picture inside the page, within a number of characters."""

import base64
from io import BytesIO
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_PX: Final = 448
# Below that nobody recognises a sward: rather leave a picture out.
LEAST_PX: Final = 112
_QUALITY: Final = 58
_METHOD: Final = 1  # WebP's effort: more costs twice the time for a tenth of the size
_MIME: Final = "data:image/webp;base64,"
_TRIES: Final = 4


def thumbnail_uri(pixels: NDArray[np.uint8], *, most_characters: int) -> str:
    """Encode as a data URI, smaller until it fits or is as small as it may be.

    Args:
        pixels: Shape (height, width, 3).
        most_characters: What the text should have at most.
    """
    image, side_px = Image.fromarray(pixels), min(THUMBNAIL_PX, max(pixels.shape[:2]))
    uri = ""
    for _ in range(_TRIES):
        uri = _encoded(image, side_px)
        if len(uri) <= most_characters or side_px <= LEAST_PX:
            break
        side_px = max(int(0.95 * side_px * sqrt(most_characters / len(uri))), LEAST_PX)
    return uri


def _encoded(image: Image.Image, side_px: int) -> str:
    small = image.copy()
    small.thumbnail((side_px, side_px), Image.Resampling.BILINEAR)
    encoded = BytesIO()
    small.save(encoded, format="WEBP", quality=_QUALITY, method=_METHOD)
    return _MIME + base64.b64encode(encoded.getvalue()).decode()
