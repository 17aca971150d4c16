"""Colours over a photo in grey: one look of all maps, so that who reads one can read the others."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

# Its lightness rises evenly, so colour-blind readers and grey prints keep the order of values.
_COLOURS: Final = "viridis"
_COLOUR_SHARE: Final = 0.6  # the rest is the photo in grey, so that plants are found again
_GREY: Final = (0.25, 1.0)  # the photo's black and white: dark soil must not look like little mass
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def paint(photo: Pixels, strength: Floats, *, valid: NDArray[np.bool_] | None = None) -> Pixels:
    """Lay colours over a photo in grey; white where there is nothing.

    Args:
        photo: Shape (row, col, 3).
        strength: Of each pixel's colour, 0 to 1, shape (row, col).
        valid: Which pixels are photo, shape (row, col); None: all.
    """
    black, white = _GREY
    grey = photo @ _LUMA / 255.0 * (white - black) + black
    table = _colours(256).astype(np.float32)
    mixed = table[np.clip(strength * 255, 0, 255).astype(np.uint8)] * _COLOUR_SHARE
    mixed += grey[..., None] * (1 - _COLOUR_SHARE)
    if valid is not None:
        mixed[~valid] = 1.0
    return np.asarray(mixed * 255, dtype=np.uint8)


def seen_colours(n: int) -> Floats:
    """As many colours as they look over middling grey, from nothing to the most, shape (n, 3)."""
    return _colours(n) * _COLOUR_SHARE + float(np.mean(_GREY)) * (1 - _COLOUR_SHARE)


def _colours(n: int) -> Floats:
    from matplotlib import colormaps  # noqa: PLC0415  # only who draws pays for it

    return np.asarray(colormaps[_COLOURS](np.linspace(0, 1, n))[:, :3], dtype=np.float64)
