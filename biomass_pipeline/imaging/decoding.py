"""From a file's bytes to upright 8-bit RGB, once a photo.

OpenCV decodes ordinary JPEGs faster than Pillow and to the same pixels; everything else, and
whatever OpenCV declines, is Pillow's, GDAL's or libvips' as the manifest's room decides. Whether a
file is damaged is the manifest's verdict on the same bytes: OpenCV's is not asked.
"""

from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.imaging.colours import rgb
from biomass_pipeline.manifest import HeldPhoto, Photo, ReadLimits, naming_damage, open_photo

_OPENCV: Final = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)


def decode(data: bytes, *, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a photo of any size into upright RGB, held whole.

    Grey is repeated over the channels, transparency and nodata are laid on white, CMYK is
    converted, 16-bit grey is scaled from 0..65535 to 0..255, and of 16-bit colours the upper byte
    is taken.

    Args:
        data: The whole file: JPEG, PNG, TIFF or WebP.
        max_pixels: More than this counts as a decompression bomb.

    Returns:
        Shape (height, width, 3).

    Raises:
        UnreadableImageError: With the reason that the manifest gives for the same bytes.
    """
    limits = ReadLimits(max_pixels=max_pixels, stream_above_px=max_pixels)
    return np.ascontiguousarray(decode_upright(open_photo(BytesIO(data), limits=limits)))


def decode_upright(photo: Photo) -> NDArray[np.uint8]:
    """Decode an opened photo whole, shape (height, width, 3), possibly a turned view.

    Raises:
        UnreadableImageError: As `decode`.
    """
    if isinstance(photo, HeldPhoto) and (fast := _fast(photo)) is not None:
        return fast
    picture = photo.picture()
    first = next(picture.bands)
    if len(first.samples) == picture.stored_px[0]:
        whole = rgb(first)
    else:
        whole = np.empty((*picture.stored_px, 3), dtype=np.uint8)
        whole[: len(first.samples)] = rgb(first)
    for band in picture.bands:
        whole[band.row_px : band.row_px + len(band.samples)] = rgb(band)
    return picture.orientation.upright(whole)


def decoder_identity() -> str:
    """The versions that decide the pixels of ordinary photos, without importing any decoder.

    GDAL and libvips are left out: tests hold them to the pixels of these two, and an upgrade of
    what reads orthomosaics should not make every photo new.
    """
    opencv = next((found for name in _OPENCV if (found := _version(name))), "none")
    return f"opencv {opencv}, pillow {_version('pillow') or 'none'}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _fast(photo: HeldPhoto) -> NDArray[np.uint8] | None:
    """An ordinary JPEG by OpenCV; None if it is another file, or OpenCV is missing or declines."""
    # Pillow opens every JPEG of three components as RGB.
    if photo.kind != "JPEG" or photo.image.mode != "RGB":
        return None
    with naming_damage(photo.stream, photo.kind):
        photo.stream.seek(0)
        found = _opencv(photo.stream.read())
    width, height = photo.image.size
    if found is None or found.shape != (height, width, 3):
        return None
    with naming_damage(photo.stream, photo.kind):
        photo.check_filled(found)
    return photo.orientation().upright(found)


def _opencv(data: bytes) -> NDArray[np.uint8] | None:
    try:
        import cv2  # noqa: PLC0415  # where it is missing, Pillow gives the same pixels
    except ImportError:
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        found: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)  # type: ignore[assignment]  # always uint8 with these flags
    except cv2.error:
        return None
    return found
