"""What a photo looks like in 64 bits, so that the same picture saved again is recognised."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from biomass_pipeline.manifest.bands import Band, pillow_band
from biomass_pipeline.manifest.orientation import Orientation

Bits = NDArray[np.bool_]

# Points a side that are looked at: on 262 photos a look at every pixel recognised copies no better,
# and cost several times as much.
_POINTS: Final = 256
# Points are averaged in so many cells a side.
_CELLS: Final = 32
_FREQUENCIES: Final = 8
# In grey levels. Below it a coefficient is rounding, and a picture of such has nothing to compare.
_FLAT: Final = 0.1
_MOST_FLAT: Final = 16
_LUMA: Final = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's L
_COLOURS: Final = 3


def _cosines() -> NDArray[np.float32]:
    """Orthonormal cosines over the cells' means, shape (frequency from 1, point)."""
    at = np.outer(np.arange(1, _FREQUENCIES + 1), np.arange(_CELLS) + 0.5)
    waves = np.sqrt(2 / _CELLS) * np.cos(np.pi / _CELLS * at)
    share = _CELLS / _POINTS
    return np.repeat(waves * share, _POINTS // _CELLS, axis=1).astype(np.float32)


_COSINES: Final = _cosines()


class Glimpse:
    """Evenly spaced points of a stored picture, picked as it goes by.

    Args:
        stored_px: (height, width).
    """

    def __init__(self, stored_px: tuple[int, int]) -> None:
        self._rows, self._cols = (
            ((np.arange(_POINTS) + 0.5) * side / _POINTS).astype(np.int64) for side in stored_px
        )
        self._grey = np.zeros((_POINTS, _POINTS), dtype=np.float32)

    def add(self, band: Band) -> None:
        """Pick the points that lie in a band."""
        rows = self._rows - band.row_px
        inside = (rows >= 0) & (rows < len(band.samples))
        self._grey[inside] = _grey(band.mode, band.samples[np.ix_(rows[inside], self._cols)])

    def take(self, image: Image.Image) -> None:
        """Pick all points of a loaded picture."""
        small = image.resize((_POINTS, _POINTS), Image.Resampling.NEAREST)
        if small.mode in {"RGB", "L"}:
            self._grey = np.asarray(small.convert("L"), dtype=np.float32)
            return
        band = pillow_band(small)
        self._grey = _grey(band.mode, band.samples)

    def hash(self, orientation: Orientation) -> str:
        """The perceptual hash of the upright picture, 16 hexadecimal digits.

        The signs of 64 low frequencies of the discrete cosine transform (Zauner 2010,
        "Implementation and benchmarking of perceptual image hash functions"). Frequencies that
        vary along one side only are left out: gradients of light and dark corners are made of
        these, and are alike in photos that are not. So bits of unrelated photos are coin tosses.

        Returns:
            Empty for a picture without structure, such as a plain colour.
        """
        upright = np.ascontiguousarray(orientation.upright(self._grey))
        found = _COSINES @ upright @ _COSINES.T
        if (np.abs(found) < _FLAT).sum() > _MOST_FLAT:
            return ""
        return np.packbits(found > 0).tobytes().hex()


def hash_bits(hashes: list[str]) -> Bits:
    """Hashes as bits, shape (photo, frequency down, frequency across), both from 1."""
    joined = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8)
    return np.unpackbits(joined).astype(np.bool_).reshape(-1, _FREQUENCIES, _FREQUENCIES)


def turned(bits: Bits) -> list[Bits]:
    """The bits that the eight turned and mirrored pictures have, the picture itself first.

    Mirroring changes the sign of the odd frequencies along that side; transposing swaps the sides.
    """
    odd = np.arange(1, _FREQUENCIES + 1) % 2 == 1
    down, across = odd[:, None], odd[None, :]
    return [
        each ^ flips
        for each in (bits, bits.swapaxes(1, 2))
        for flips in (np.zeros_like(down), down, across, down ^ across)
    ]


def _grey(mode: str, samples: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Lightness of samples of shape (row, col, channel), shape (row, col)."""
    if mode not in {"CMYK", "RGB", "RGBA"}:
        return samples[..., 0].astype(np.float32)
    light = samples[..., :_COLOURS] @ _LUMA
    if mode == "CMYK":
        light = (255.0 - light) * (255.0 - samples[..., _COLOURS]) / 255.0
    return np.asarray(light, dtype=np.float32)
