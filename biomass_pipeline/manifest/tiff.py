"""What a TIFF file's directories say, before any pixel is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Directory

from biomass_pipeline.errors import UnreadableImageError

# Tags of TIFF 6.0, its technical notes, GeoTIFF 1.1 and GDAL.
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_SAMPLES, _EXTRA, _FORMAT, _NODATA, _ORIENTATION = 277, 338, 339, 42113, 274
_PLACES: Final = ((273, 279), (324, 325))  # offsets and lengths of strips, of tiles
_SEPARATED, _YCBCR = 5, 6
_COMPRESSION, _PLANES, _APART = 259, 284, 2
# None, CCITT, LZW, JPEG, deflate (two numbers), PackBits, LZMA, Zstandard: all readers know them.
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773, 34925, 50000})
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_SCALE, _TIE_POINTS, _MATRIX, _GEO_KEYS = 33550, 33922, 34264, 34735
_REDUCED, _MASK = 1, 4
_BIG: Final = 43
_MAX_DIRECTORIES: Final = 256
_MAX_SAMPLES: Final = 4
_BYTE: Final = 8
_NUMBERS: Final = {1: "integer", 2: "signed integer", 3: "float"}


@dataclass(frozen=True)
class TiffFacts:
    """The first picture of a TIFF file, as its directory describes it.

    Attributes:
        stored_px: (height, width), as stored.
        block_px: (height, width) of a tile; (0, 0) if it is stored in strips.
        orientation: Tag 274, whatever it holds.
        n_bands: Samples of a pixel.
        bits: Of one sample.
        inverted: Zero is white.
        converted: CMYK, or luminance and chroma: GDAL gives RGB, by other roundings than Pillow.
        apart: Bands follow one another; Pillow 13 mixes up such 16-bit samples.
        premultiplied: Colours were multiplied by the alpha.
        nodata: The value that stands for no measurement; None if there is none.
        has_mask: A mask of valid pixels is stored with it.
        georeferenced: It says where on Earth it lies, or in which system it would.
        placed: It gives its pixels map coordinates.
        n_pages: Pictures, without overviews and masks.
    """

    stored_px: tuple[int, int]
    block_px: tuple[int, int]
    orientation: object
    n_bands: int
    bits: int
    inverted: bool
    converted: bool
    apart: bool
    premultiplied: bool
    nodata: float | None
    has_mask: bool
    georeferenced: bool
    placed: bool
    n_pages: int

    @property
    def hides(self) -> bool:
        """Whether pixels may be invalid in a way that Pillow does not see."""
        return self.nodata is not None or self.has_mask

    @property
    def needs_raster(self) -> bool:
        """Whether GDAL reads it at any size: for what only it sees, or for equal colours."""
        return self.hides or self.georeferenced or self.converted or self.apart


def tiff_facts(stream: BinaryIO) -> TiffFacts:
    """Read the directories.

    Raises:
        UnreadableImageError: It has more bands than a photo, or bands of another number type, or is
            compressed in a way that not every reader knows.
        Exception: Whatever Pillow raises on a damaged directory.
    """
    found = _directories(stream)
    first = found[0]
    _check_bands(first)
    _check_compression(first)
    kinds = [int(directory.get(_SUBFILE, 0)) for directory in found]
    return TiffFacts(
        stored_px=(int(first[_HEIGHT]), int(first[_WIDTH])),
        block_px=(int(first.get(_TILE_HEIGHT, 0)), int(first.get(_TILE_WIDTH, 0))),
        orientation=first.get(_ORIENTATION, 1),
        n_bands=int(first.get(_SAMPLES, 1)),
        bits=_first(first.get(_BITS, 1)),
        inverted=first.get(_PHOTOMETRIC) == 0,
        converted=_converted(first),
        apart=first.get(_PLANES, 1) == _APART and int(first.get(_SAMPLES, 1)) > 1,
        premultiplied=_first(first.get(_EXTRA, 0)) == 1,
        nodata=_number(first.get(_NODATA)),
        has_mask=any(kind & _MASK and not kind & _REDUCED for kind in kinds[1:]),
        georeferenced=any(tag in first for tag in (_SCALE, _MATRIX, _GEO_KEYS)),
        placed=_MATRIX in first or (_SCALE in first and _TIE_POINTS in first),
        n_pages=1 + sum(not kind & (_MASK | _REDUCED) for kind in kinds[1:]),
    )


def colour_layout(stream: BinaryIO) -> str:
    """How the first picture's colours are stored, for a person to look up."""
    first = _directories(stream)[0]
    bits, photometric = _first(first.get(_BITS, 1)), first.get(_PHOTOMETRIC, "missing")
    return f"{first.get(_SAMPLES, 1)} x {bits} bits, photometric {photometric}"


def last_byte(stream: BinaryIO) -> int:
    """Where the first picture's data should end; 0 if its directory cannot be read."""
    try:
        first = _directories(stream)[0]
        ends = [
            offset + length
            for offsets, lengths in _PLACES
            for offset, length in zip(
                _all(first.get(offsets, ())), _all(first.get(lengths, ())), strict=False
            )
        ]
    except Exception:  # noqa: BLE001  # Pillow raises anything on damaged files
        return 0
    return max(ends, default=0)


def _directories(stream: BinaryIO) -> list[Directory]:
    stream.seek(0)
    head = stream.read(8)
    head += stream.read(8) if _BIG in head[2:4] else b""
    found: list[Directory] = []
    seen: set[int] = set()
    directory = Directory(head)
    while directory.next and directory.next not in seen and len(found) < _MAX_DIRECTORIES:
        seen.add(directory.next)
        stream.seek(directory.next)
        directory.load(stream)
        found.append(directory)
        start, directory = directory.next, Directory(head)
        directory.next = start
    stream.seek(0)
    if not found:
        raise UnreadableImageError(reason="corrupt")
    return found


def _check_bands(directory: Directory) -> None:
    """A band or three, with or without a fourth; several bands are 8- or 16-bit numbers."""
    count = int(directory.get(_SAMPLES, 1))
    bits, number = _first(directory.get(_BITS, 1)), _first(directory.get(_FORMAT, 1))
    if count > _MAX_SAMPLES or (count > 1 and (number != 1 or bits not in {8, 16})):
        named = _NUMBERS.get(number, "unknown")
        raise UnreadableImageError(reason=f"{count} bands of {bits}-bit {named} are not supported")


def _check_compression(directory: Directory) -> None:
    number = _first(directory.get(_COMPRESSION, 1))
    if number not in _COMPRESSIONS:
        raise UnreadableImageError(reason=f"TIFF compression {number} is not supported")


def _converted(directory: Directory) -> bool:
    several = int(directory.get(_SAMPLES, 1)) > 1
    bytes_only = _first(directory.get(_BITS, 1)) == _BYTE
    return several and bytes_only and directory.get(_PHOTOMETRIC) in {_SEPARATED, _YCBCR}


def _first(value: object) -> int:
    return int(next(iter(_all(value)), 0))


def _all(value: object) -> Iterable[int]:
    return value if isinstance(value, tuple) else (value,)


def _number(value: object) -> float | None:
    """The nodata tag, which is text."""
    if value is None:
        return None
    try:
        return float(str(value).strip("\0 "))
    except ValueError:
        return None
