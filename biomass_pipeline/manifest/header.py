"""What a photo's header says, before any of its pixels is decoded."""

from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image
from PIL.ImageFile import ImageFile

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.manifest.orientation import ORIENTATIONS, Orientation
from biomass_pipeline.manifest.tiff import TiffFacts

_GREY: Final = frozenset({"1", "L", "LA", "I;16", "I;16B", "I;16L", "I;16N"})
_ALPHA: Final = frozenset({"LA", "PA", "RGBA"})
_MODES: Final = _GREY | _ALPHA | {"P", "RGB", "RGBX", "CMYK", "YCbCr"}
_ORIENTATION_TAG: Final = 0x0112
# Of the file and of each chunk alike.
_PNG_HEAD_BYTES: Final = 8


@dataclass(frozen=True)
class Header:
    """How a picture is stored.

    Attributes:
        kind: JPEG, PNG, TIFF or WEBP.
        mode: Its colours, as Pillow names them.
        stored_px: (height, width).
        orientation: What turns it upright.
        warning: What is done to it on the way to 8-bit RGB; empty if nothing.
    """

    kind: str
    mode: str
    stored_px: tuple[int, int]
    orientation: Orientation
    warning: str

    @property
    def n_pixels(self) -> int:
        """How many pixels it has."""
        return self.stored_px[0] * self.stored_px[1]


def check_mode(mode: str) -> None:
    """Refuse colours that no photo has.

    Raises:
        UnreadableImageError: `colour mode M is not supported`.
    """
    if mode not in _MODES:
        raise UnreadableImageError(reason=f"colour mode {mode} is not supported")


def warning_of(image: ImageFile, facts: TiffFacts | None) -> str:
    """Name what the way to 8-bit RGB changes; asked before loading, which forgets the depth."""
    # By place: Pillow names the parts of a tile since 11.
    deep = any(";16" in str(tile[3]) for tile in image.tile)
    # Pillow counts a TIFF's overviews and masks as frames.
    pages = facts.n_pages > 1 if facts else getattr(image, "is_animated", False)
    extra = facts is not None and facts.n_bands > len(image.getbands())
    found = (
        ("animated: first frame", pages),
        ("16-bit scaled by range", deep),
        ("grey repeated", image.mode in _GREY),
        ("alpha flattened on white", image.mode in _ALPHA or "transparency" in image.info),
        ("CMYK converted", image.mode == "CMYK"),
        ("extra band left out", extra),
        ("nodata shown white", facts is not None and facts.hides),
    )
    return "; ".join(text for text, holds in found if holds)


def orientation_number(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where it is missing or makes no sense."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  # damaged EXIF must not cost the photo
        return 1
    return known_orientation(value)


def known_orientation(value: object) -> int:
    """The same number if it is a known one, else 1."""
    return value if isinstance(value, int) and value in ORIENTATIONS else 1


def png_orientation_number(image: ImageFile, stream: BinaryIO) -> int:
    """The same for a PNG that is not loaded: its EXIF may stand behind the pixels."""
    if "exif" not in image.info and (exif := _png_chunk(stream, b"eXIf")):
        image.info["exif"] = exif
    bare = Image.new("1", (1, 1))
    bare.info = image.info
    return orientation_number(bare)


def _png_chunk(stream: BinaryIO, wanted: bytes) -> bytes:
    """The content of a chunk, found without reading the others."""
    stream.seek(_PNG_HEAD_BYTES)
    while len(head := stream.read(_PNG_HEAD_BYTES)) == _PNG_HEAD_BYTES:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == wanted:
            return stream.read(length)
        stream.seek(length + 4, 1)
    return b""
