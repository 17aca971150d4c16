"""One look at a photo's content: every byte tried, every pixel asked whether it is one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np

from biomass_pipeline.errors import ChangedImageError, UnreadableImageError
from biomass_pipeline.manifest.bands import Picture, telling
from biomass_pipeline.manifest.perception import Glimpse
from biomass_pipeline.manifest.photograph import HeldPhoto, ReadLimits, open_photo
from biomass_pipeline.manifest.raster import Place, RasterPhoto

_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Inspection:
    """What a readable photo is.

    Attributes:
        size_px: (height, width) of the upright photo.
        warning: What is done to it on the way to 8-bit RGB; empty if nothing.
        place: Where on Earth it lies.
        valid_fraction: The share of its pixels that are neither nodata nor fully transparent.
        perceptual_hash: What it looks like, as `Glimpse.hash` has it.
    """

    size_px: tuple[int, int]
    warning: str
    place: Place
    valid_fraction: float
    perceptual_hash: str


def read_validity(stream: BinaryIO, *, path: str, sha256: str, limits: ReadLimits) -> Picture:
    """Read a photo once more, for which of its pixels are valid; its colours may be wrong.

    Args:
        stream: The file, seekable; open as long as the bands are read.
        path: In the photo folder, for the error.
        sha256: The content that the manifest saw.
        limits: As `open_photo` has them.

    Raises:
        ChangedImageError: It has another content now.
        UnreadableImageError: It cannot be decoded.
    """
    if digest(stream)[0] != sha256:
        raise ChangedImageError(path)
    return open_photo(stream, limits=limits).picture(only_validity=True)


def digest(stream: BinaryIO) -> tuple[str, int]:
    """The SHA-256 and the length of what is left of a stream, read in chunks."""
    found, n_bytes = hashlib.sha256(), 0
    while chunk := stream.read(_CHUNK_BYTES):
        found.update(chunk)
        n_bytes += len(chunk)
    return found.hexdigest(), n_bytes


def inspect_photo(
    stream: BinaryIO, *, limits: ReadLimits, tell: Callable[[], object] = lambda: None
) -> Inspection:
    """Decode a photo once; what is larger than the limit goes by in bands and is never held.

    Args:
        stream: The file, seekable.
        limits: What is refused, and what is never held whole.
        tell: Called after each band.

    Raises:
        UnreadableImageError: With a reason of `open_photo`, or `no valid pixel`.
    """
    photo = open_photo(stream, limits=limits)
    place = photo.place() if isinstance(photo, RasterPhoto) else Place()
    # Pillow decodes whole either way; of a raster every band has to be tried.
    picture = photo.picture(only_validity=isinstance(photo, HeldPhoto))
    glimpse, n_valid = Glimpse(picture.stored_px), 0
    for band in telling(picture.bands, tell):
        n_valid += int(np.count_nonzero(band.valid()))
        if not isinstance(photo, HeldPhoto):
            glimpse.add(band)
    if isinstance(photo, HeldPhoto):
        glimpse.take(photo.image)
    height_px, width_px = picture.size_px
    if not n_valid:
        raise UnreadableImageError(reason="no valid pixel")
    return Inspection(
        size_px=(height_px, width_px),
        warning=photo.warning,
        place=place,
        valid_fraction=n_valid / (height_px * width_px),
        perceptual_hash=glimpse.hash(picture.orientation),
    )
