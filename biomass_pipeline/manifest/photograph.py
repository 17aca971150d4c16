"""One photo: is it readable, and if so, which upright picture is it?

This is the only place that decides, so the manifest's verdict and the decoder's cannot differ.
"""

import os
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from biomass_pipeline.errors import UnreadableImageError

# Pillow's openers are called directly: `Image.open` would apply its own process-wide pixel limit.
_OPENERS: Final[dict[str, type[ImageFile]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_SIGNATURES: Final = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (8, b"WEBP", "WEBP"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"8BPS", "PSD"),
    (0, b"%PDF", "PDF"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
)
_SIGNATURE_BYTES: Final = 32
# A JPEG's or PNG's last marker may be followed by what the camera appended.
_TAIL_BYTES: Final = 65_536
_LAST_MARKERS: Final = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_GREY: Final = frozenset({"1", "L", "LA", "I;16", "I;16B", "I;16L", "I;16N"})
_ALPHA: Final = frozenset({"LA", "PA", "RGBA"})
_MODES: Final = _GREY | _ALPHA | {"P", "RGB", "RGBX", "CMYK", "YCbCr"}
_ORIENTATION_TAG: Final = 0x0112
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class LoadedPhoto:
    """A decoded photo, in the file's own colours and as the sensor saw it.

    Attributes:
        image: Loaded pixels, not yet upright.
        orientation: EXIF orientation, 1 to 8, still to be applied.
        warning: What is done to it on the way to 8-bit RGB; empty if nothing.
    """

    image: Image.Image
    orientation: int
    warning: str

    @property
    def size_px(self) -> tuple[int, int]:
        """(height, width) of the upright photo."""
        width, height = self.image.size
        return (width, height) if self.orientation in _SIDEWAYS else (height, width)


def load_photo(stream: BinaryIO, *, max_pixels: int) -> LoadedPhoto:
    """Decode a photo whole, so that every byte of it has been tried.

    Args:
        stream: The file, seekable.
        max_pixels: More than this counts as a decompression bomb and is not decoded.

    Raises:
        UnreadableImageError: With one of the reasons `empty file`, `not an image`,
            `format F is not supported`, `zero-sized`, `decompression bomb: ...`,
            `colour mode M is not supported`, `truncated`, `corrupt`, `unreadable: ...`.
    """
    kind = "unknown"
    try:
        kind = _recognise(stream)
        return _load(stream, kind, max_pixels=max_pixels)
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        reason = f"decompression bomb: more than {limit} px, Pillow's limit for {kind}"
        raise UnreadableImageError(reason=reason) from None
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        raise UnreadableImageError(reason=_reason(error, stream, kind)) from error


def _recognise(stream: BinaryIO) -> str:
    stream.seek(0)
    head = stream.read(_SIGNATURE_BYTES)
    stream.seek(0)
    if not head:
        raise UnreadableImageError(reason="empty file")
    for start, signature, kind in _SIGNATURES:
        if head.startswith(signature, start):
            if kind not in _OPENERS:
                raise UnreadableImageError(reason=f"format {kind} is not supported")
            if kind == "PNG" and b"\0\0\0\0" in (head[16:20], head[20:24]):
                raise UnreadableImageError(reason="zero-sized")
            return kind
    raise UnreadableImageError(reason="not an image")


def _load(stream: BinaryIO, kind: str, *, max_pixels: int) -> LoadedPhoto:
    image = _OPENERS[kind](stream)
    width, height = image.size
    if width * height > max_pixels:
        raise UnreadableImageError(
            reason=f"decompression bomb: {height} x {width} px is more than {max_pixels}"
        )
    if image.mode not in _MODES:
        raise UnreadableImageError(reason=f"colour mode {image.mode} is not supported")
    warning = _warning(image)
    image.load()
    orientation = _orientation(image)
    if kind == "PNG":
        # Loading skips the checksums: one more pass over the file proves them.
        stream.seek(0)
        PngImagePlugin.PngImageFile(stream).verify()
    return LoadedPhoto(image=image, orientation=orientation, warning=warning)


def _warning(image: ImageFile) -> str:
    """Name what the way to 8-bit RGB changes; asked before loading, which forgets the depth."""
    deep = any(";16" in str(tile.args) for tile in image.tile)
    found = (
        ("animated: first frame", getattr(image, "is_animated", False)),
        ("16-bit scaled by range", deep),
        ("grey repeated", image.mode in _GREY),
        ("alpha flattened on white", image.mode in _ALPHA or "transparency" in image.info),
        ("CMYK converted", image.mode == "CMYK"),
    )
    return "; ".join(text for text, holds in found if holds)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  # damaged EXIF must not cost the photo
        return 1
    return value if isinstance(value, int) and 1 <= value <= max(_SIDEWAYS) else 1


def _reason(error: Exception, stream: BinaryIO, kind: str) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"unreadable: {error.strerror}"
    if isinstance(error, MemoryError):
        return "unreadable: not enough memory"
    cut_off = "truncated" in str(error).lower() or isinstance(error, EOFError)
    return "truncated" if cut_off or _ends_early(stream, kind) else "corrupt"


def _ends_early(stream: BinaryIO, kind: str) -> bool:
    """Whether a damaged file lacks its end."""
    n_bytes = stream.seek(0, os.SEEK_END)
    if kind == "WEBP":
        stream.seek(4)
        return int.from_bytes(stream.read(4), "little") + 8 > n_bytes
    if kind not in _LAST_MARKERS:
        return False
    stream.seek(max(n_bytes - _TAIL_BYTES, 0))
    return _LAST_MARKERS[kind] not in stream.read()
