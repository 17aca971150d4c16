"""JPEG photos to measure with: noise with a natural scene's spectrum, so they decode like one."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

_QUALITY = 92
_SEED = 0
# Of grass seen from above: mean and contrast of red, green and blue.
_MEAN, _SPREAD = (112, 118, 78), (34, 32, 28)


@dataclass(frozen=True)
class Pictures:
    """Photos on disk.

    Attributes:
        folder: Where they are.
        table: What `tiling.patch_index` reads: one row a photo.
    """

    folder: Path
    table: pd.DataFrame


def write_pictures(folder: Path, sizes_px: Sequence[tuple[int, int]]) -> Pictures:
    """Write one photo a size, no two with equal contents.

    Args:
        folder: Made when missing.
        sizes_px: (height, width) of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (height_px, width_px) in enumerate(sizes_px):
        path = folder / f"photo_{number:05d}.jpg"
        # The same scene seen from elsewhere.
        moved = np.roll(_scene(height_px, width_px), (7 * number, 13 * number), axis=(0, 1))
        Image.fromarray(moved).save(path, quality=_QUALITY)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append((path.stem, path.name, digest, height_px, width_px))
    columns = ["image_id", "path", "sha256", "height_px", "width_px"]
    return Pictures(folder, pd.DataFrame(rows, columns=columns).assign(valid_fraction=1.0))


@cache
def _scene(height_px: int, width_px: int) -> NDArray[np.uint8]:
    """Noise whose amplitude falls as one over the frequency, shape (height, width, 3)."""
    chance = np.random.default_rng([_SEED, height_px, width_px])
    rows, cols = np.fft.fftfreq(height_px), np.fft.rfftfreq(width_px)
    frequency = np.hypot(rows[:, None], cols)
    frequency[0, 0] = np.inf
    image = np.empty((height_px, width_px, 3), np.uint8)
    shared = _field(frequency, width_px, chance)
    for channel, (mean, spread) in enumerate(zip(_MEAN, _SPREAD, strict=True)):
        own = _field(frequency, width_px, chance)
        image[..., channel] = np.clip(mean + spread * (0.9 * shared + 0.3 * own), 0, 255)
    return image


def _field(
    frequency: NDArray[np.float64], width_px: int, chance: np.random.Generator
) -> NDArray[np.float64]:
    """A random field of mean 0 and standard deviation 1."""
    phase = np.exp(2j * np.pi * chance.random(frequency.shape))
    values = np.fft.irfft2(phase / frequency, s=(len(frequency), width_px))
    field: NDArray[np.float64] = (values - values.mean()) / values.std()
    return field
