"""Bands of rows: how pixels are handed on, whether a photo is held whole or streamed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from biomass_pipeline.manifest.orientation import Orientation

_ALPHA_MODES = frozenset({"LA", "RGBA"})


@dataclass(frozen=True)
class Band:
    """Some rows of a stored picture, all columns.

    Attributes:
        row_px: The first of them.
        mode: What the channels are, in Pillow's words: L, LA, RGB, RGBA or CMYK.
        samples: Shape (row, col, channel), uint8.
        nodata: Shape (row, col), true where nothing was measured; None if that is nowhere.
    """

    row_px: int
    mode: str
    samples: NDArray[np.uint8]
    nodata: NDArray[np.bool_] | None = None

    def valid(self) -> NDArray[np.bool_]:
        """Shape (row, col), true where there is a pixel: neither nodata nor fully transparent."""
        if self.mode in _ALPHA_MODES:
            seen: NDArray[np.bool_] = self.samples[..., -1] != 0
            return seen if self.nodata is None else seen & ~self.nodata
        if self.nodata is None:
            return np.ones(self.samples.shape[:2], dtype=np.bool_)
        return ~self.nodata


@dataclass(frozen=True)
class Picture:
    """A stored picture, to be read once from its first row to its last.

    Attributes:
        stored_px: (height, width).
        orientation: What turns it upright.
        bands: Its rows, in order and without a gap.
    """

    stored_px: tuple[int, int]
    orientation: Orientation
    bands: Iterator[Band]

    @property
    def size_px(self) -> tuple[int, int]:
        """(height, width) of the upright picture."""
        return self.orientation.upright_px(self.stored_px)


def telling(bands: Iterator[Band], tell: Callable[[], object]) -> Iterator[Band]:
    """Yield the same bands, and tell after each that it was read."""
    for band in bands:
        tell()
        yield band
        del band  # else its rows could not be freed while the next are read


def pillow_band(image: Image.Image, *, only_validity: bool = False) -> Band:
    """A loaded picture as one band of RGB or RGBA; 16-bit grey is scaled by its range.

    Args:
        image: Loaded.
        only_validity: Colours may be wrong, where that saves work.
    """
    if image.mode.startswith("I;16"):
        image = _eight_bit(image)
    mode = "RGBA" if "A" in image.mode or "transparency" in image.info else "RGB"
    if only_validity and mode == "RGB":
        return Band(0, mode, np.broadcast_to(np.uint8(0), (image.height, image.width, 3)))
    return Band(0, mode, np.array(image.convert(mode), dtype=np.uint8))


def scaled_grey(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Scale 16-bit grey from 0..65535 to 0..255, nearest step."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit; a value that stands for transparent becomes alpha."""
    values = np.asarray(image)
    scaled = scaled_grey(values)
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return Image.fromarray(scaled)
    alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    return Image.merge("LA", (Image.fromarray(scaled), Image.fromarray(alpha)))
