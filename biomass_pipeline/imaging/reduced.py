"""A photo at a fraction of its size: for thumbnails, and to judge it at a glance."""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from biomass_pipeline.imaging.colours import rgb
from biomass_pipeline.manifest import HeldPhoto, Photo, ReadLimits, naming_damage, open_photo


def decode_reduced(stream: BinaryIO, *, longest_px: int, limits: ReadLimits) -> NDArray[np.uint8]:
    """Decode a photo into upright RGB of a smaller size; a small photo keeps its size.

    A JPEG is decoded at an eighth, a quarter or half of its size where that is enough, and of
    anything large only every so many rows are kept, so the memory does not grow with the photo.

    Args:
        stream: The file, seekable.
        longest_px: What the longer side may have.
        limits: What is refused, and what is never held whole.

    Returns:
        Shape (height, width, 3).

    Raises:
        UnreadableImageError: With the reason that the manifest gives for the same bytes.
    """
    photo = open_photo(stream, limits=limits)
    _read_coarsely(photo, longest_px)
    picture = photo.picture()
    step = max(max(picture.stored_px) // (4 * longest_px), 1)
    # A band's first row is rarely a multiple of the step.
    rows = [rgb(band)[-band.row_px % step :: step, ::step] for band in picture.bands]
    upright = picture.orientation.upright(np.concatenate(rows))
    image = Image.fromarray(np.ascontiguousarray(upright))
    image.thumbnail((longest_px, longest_px), Image.Resampling.BOX)
    return np.asarray(image)


def _read_coarsely(photo: Photo, longest_px: int) -> None:
    """Ask the JPEG decoder for the smallest scale that still has enough pixels."""
    if isinstance(photo, HeldPhoto) and photo.kind == "JPEG":
        width, height = photo.image.size
        share = longest_px / max(width, height)
        with naming_damage(photo.stream, photo.kind):
            photo.image.draft(None, (max(int(width * share), 1), max(int(height * share), 1)))
