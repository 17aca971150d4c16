"""A photo of any size in few pixels, for people to look at: never held whole."""

from dataclasses import dataclass, replace
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from biomass_pipeline.imaging.colours import rgb
from biomass_pipeline.manifest import (
    Band,
    HeldPhoto,
    Orientation,
    Photo,
    ReadLimits,
    naming_damage,
    open_photo,
)

# Sums of pixels are made of about so many at once.
_PIECE_PX: Final = 1 << 21


@dataclass(frozen=True)
class Thumbnail:
    """A small upright picture of a photo.

    Attributes:
        pixels: Shape (row, col, 3), uint8; white where nothing is valid.
        valid: Shape (row, col), whether any pixel there is neither nodata nor transparent.
    """

    pixels: NDArray[np.uint8]
    valid: NDArray[np.bool_]


def read_thumbnail(stream: BinaryIO, *, max_side_px: int, limits: ReadLimits) -> Thumbnail:
    """Average squares of a photo's valid pixels, band by band.

    A JPEG is decoded at a fraction of its size where that leaves enough pixels.

    Args:
        stream: The file, seekable.
        max_side_px: No side is longer.
        limits: What is refused, and what is never held whole.

    Raises:
        UnreadableImageError: With the reason that the manifest gives for the same bytes.
    """
    photo = open_photo(stream, limits=limits)
    _decode_coarsely(photo, max_side_px)
    picture = photo.picture()
    height, width = picture.stored_px
    square = -(-max(height, width) // max_side_px)
    if isinstance(photo, HeldPhoto):
        band = next(picture.bands)
        # Pillow's own averages are fast, and may be one step off.
        rough = photo.kind == "JPEG" or square == 1
        if rough and band.mode == "RGB" and band.nodata is None:
            return _reduced(band, square, picture.orientation)
        picture = replace(picture, bands=iter([band]))
    sums = np.zeros((-(-height // square), -(-width // square), 4), dtype=np.int64)
    for band in picture.bands:
        _add(sums, band, square)
    count = sums[..., 3:]
    mean = (sums[..., :3] + count // 2) // np.maximum(count, 1)
    pixels = np.where(count > 0, mean, 255).astype(np.uint8)
    turn = picture.orientation
    return Thumbnail(
        pixels=np.ascontiguousarray(turn.upright(pixels)),
        valid=np.ascontiguousarray(turn.upright(count[..., 0] > 0)),
    )


def _reduced(whole: Band, square: int, orientation: Orientation) -> Thumbnail:
    """About the same averages of a photo that is held and valid everywhere."""
    pixels = np.asarray(Image.fromarray(whole.samples).reduce(square))
    upright = np.ascontiguousarray(orientation.upright(pixels))
    return Thumbnail(upright, np.ones(upright.shape[:2], dtype=np.bool_))


def _decode_coarsely(photo: Photo, max_side_px: int) -> None:
    """Ask the JPEG decoder for an eighth, a quarter or half of the size, where that is enough."""
    if isinstance(photo, HeldPhoto) and photo.kind == "JPEG":
        width, height = photo.image.size
        share = max_side_px / max(width, height)
        with naming_damage(photo.stream, photo.kind):
            photo.image.draft(None, (max(int(width * share), 1), max(int(height * share), 1)))


def _add(sums: NDArray[np.int64], band: Band, square: int) -> None:
    """Add a band's valid pixels, and how many they are, to the squares that they lie in."""
    colours, valid = rgb(band), band.valid()
    n_rows, n_cols = valid.shape
    cols = np.arange(0, n_cols, square)
    step = max(_PIECE_PX // n_cols, 1)
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        counted = np.concatenate(
            [colours[rows], np.ones((*valid[rows].shape, 1), np.uint8)], axis=2
        )
        counted *= valid[rows, :, None]
        across = np.add.reduceat(counted, cols, axis=1, dtype=np.int64)
        place = (band.row_px + np.arange(rows.start, rows.stop)) // square
        first = np.flatnonzero(np.diff(place, prepend=-1))
        sums[place[first]] += np.add.reduceat(across, first, axis=0)
