"""One photo: is it readable, and if so, which upright picture is it?

This is the only place that decides, so the manifest's verdict and the decoder's cannot differ.
"""

from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.manifest.bands import Picture, pillow_band
from biomass_pipeline.manifest.damage import naming_damage
from biomass_pipeline.manifest.header import (
    Header,
    check_mode,
    known_orientation,
    orientation_number,
    png_orientation_number,
    warning_of,
)
from biomass_pipeline.manifest.jpeg import check_filled, check_length
from biomass_pipeline.manifest.orientation import ORIENTATIONS, Orientation
from biomass_pipeline.manifest.raster import RasterPhoto, palette_of
from biomass_pipeline.manifest.scanlines import ScannedPhoto, webp_header
from biomass_pipeline.manifest.signature import recognise, webp_size_px
from biomass_pipeline.manifest.tiff import colour_layout, tiff_facts

# Pillow's openers are called directly: `Image.open` would apply its own process-wide pixel limit.
_OPENERS: Final[dict[str, type[ImageFile]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
# These two apply it all the same, so that what exceeds it is never given to them.
_LIMITED: Final = frozenset({"TIFF", "WEBP"})
# A progressive JPEG and an interlaced PNG are held whole by libvips, up to eight bytes a pixel.
_IN_PASSES: Final = ("progressive", "interlace")
_MOST_IN_PASSES_PX: Final = 200_000_000


@dataclass(frozen=True)
class ReadLimits:
    """How large a photo may be.

    Attributes:
        max_pixels: More than this counts as a decompression bomb and is not decoded.
        stream_above_px: More than this is never held whole, but read in bands of rows.
    """

    max_pixels: int
    stream_above_px: int


@dataclass(frozen=True)
class HeldPhoto:
    """A photo small enough for Pillow to decode it whole; only its header was read so far.

    Attributes:
        kind: JPEG, PNG, TIFF or WEBP.
        image: Not loaded yet.
        warning: What is done to it on the way to 8-bit RGB; empty if nothing.
        stream: The file.
    """

    kind: str
    image: ImageFile
    warning: str
    stream: BinaryIO

    @property
    def n_pixels(self) -> int:
        """How many pixels it says that it has."""
        return self.image.size[0] * self.image.size[1]

    def picture(self, *, only_validity: bool = False) -> Picture:
        """Decode it whole, so that every byte of it has been tried, into one band.

        Args:
            only_validity: Colours may be wrong, where that saves work.

        Raises:
            UnreadableImageError: It is truncated or corrupt.
        """
        with naming_damage(self.stream, self.kind):
            self.image.load()
            # Asked now: Pillow turns a TIFF while loading it, and a PNG may end with its EXIF.
            orientation = self.orientation()
            if self.kind == "PNG":
                # Loading skips the checksums: one more pass over the file proves them.
                self.stream.seek(0)
                PngImagePlugin.PngImageFile(self.stream).verify()
            width, height = self.image.size
            if self.kind == "JPEG":
                corner = self.image.crop((width - 1, height - 1, width, height))
                self.check_filled(np.asarray(corner))
            band = pillow_band(self.image, only_validity=only_validity)
            return Picture((height, width), orientation, iter([band]))

    def check_filled(self, pixels: NDArray[np.uint8]) -> None:
        """Refuse a JPEG that a decoder had to fill up.

        Args:
            pixels: Shape (row, col, ...), as they are stored.

        Raises:
            UnreadableImageError: `truncated`.
        """
        check_filled(self.stream, pixels, progressive="progressive" in self.image.info)

    def orientation(self) -> Orientation:
        """What turns the loaded picture upright; for a JPEG it may be asked before loading."""
        return ORIENTATIONS[orientation_number(self.image)]


Photo = HeldPhoto | RasterPhoto | ScannedPhoto


def open_photo(stream: BinaryIO, *, limits: ReadLimits) -> Photo:
    """Read a photo's header, and decide how its pixels are to be read.

    Pillow decodes whole what has at most `stream_above_px` pixels, but for TIFFs whose nodata,
    mask or place on Earth it does not see, and for what exceeds its own limit.

    Args:
        stream: The file, seekable.
        limits: What is refused, and what is never held whole.

    Raises:
        UnreadableImageError: With one of the reasons `empty file`, `not an image`,
            `format F is not supported`, `zero-sized`, `decompression bomb: ...`,
            `colour mode M is not supported`, `colour layout is not supported: ...`,
            `N bands of B-bit T are not supported`, `TIFF compression N is not supported`,
            `truncated`, `corrupt`, `unreadable: ...`.
    """
    with naming_damage(stream, "unknown"):
        kind = recognise(stream)
    with naming_damage(stream, kind):
        if kind == "TIFF":
            return _tiff(stream, limits)
        if kind == "WEBP" and _streams(kind, _checked(webp_size_px(stream), limits), limits):
            return ScannedPhoto(webp_header(stream), stream)
        image = _opened(kind, stream, limits)
        warning, stored_px = warning_of(image, None), (image.size[1], image.size[0])
        if kind == "JPEG":
            check_length(stream, stored_px)
        if not _streams(kind, stored_px, limits):
            return HeldPhoto(kind, image, warning, stream)
        in_passes = any(image.info.get(name) for name in _IN_PASSES)
        if in_passes:
            _check_in_passes(stored_px)
        late = kind == "PNG"
        number = png_orientation_number(image, stream) if late else orientation_number(image)
        header = Header(kind, image.mode, stored_px, ORIENTATIONS[number], warning)
        return ScannedPhoto(header, stream, in_passes=in_passes)


def _tiff(stream: BinaryIO, limits: ReadLimits) -> Photo:
    facts = tiff_facts(stream)
    _checked(facts.block_px, limits)
    try:
        image = _opened("TIFF", stream, limits)
    except SyntaxError as error:
        if "unknown pixel mode" not in str(error):
            raise
        reason = f"colour layout is not supported: {colour_layout(stream)}"
        raise UnreadableImageError(reason=reason) from error
    warning = warning_of(image, facts)
    if not facts.needs_raster and not _streams("TIFF", facts.stored_px, limits):
        return HeldPhoto("TIFF", image, warning, stream)
    orientation = ORIENTATIONS[known_orientation(facts.orientation)]
    header = Header("TIFF", image.mode, facts.stored_px, orientation, warning)
    return RasterPhoto(header, facts, palette_of(image), stream)


def _opened(kind: str, stream: BinaryIO, limits: ReadLimits) -> ImageFile:
    stream.seek(0)
    image = _OPENERS[kind](stream)
    _checked((image.size[1], image.size[0]), limits)
    check_mode(image.mode)
    return image


def _checked(size_px: tuple[int, int], limits: ReadLimits) -> tuple[int, int]:
    height, width = size_px
    if height * width > limits.max_pixels:
        raise UnreadableImageError(
            reason=f"decompression bomb: {height} x {width} px is more than {limits.max_pixels}"
        )
    return size_px


def _check_in_passes(size_px: tuple[int, int]) -> None:
    height, width = size_px
    if height * width > _MOST_IN_PASSES_PX:
        raise UnreadableImageError(
            reason=f"decompression bomb: {height} x {width} px, progressive or interlaced, is more "
            f"than {_MOST_IN_PASSES_PX}"
        )


def _streams(kind: str, size_px: tuple[int, int], limits: ReadLimits) -> bool:
    n_pixels = size_px[0] * size_px[1]
    most = Image.MAX_IMAGE_PIXELS if kind in _LIMITED else None
    return n_pixels > limits.stream_above_px or (most is not None and n_pixels > most)
