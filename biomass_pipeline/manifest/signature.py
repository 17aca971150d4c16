"""Which kind of file it is, told from its first bytes and never from its name."""

from typing import BinaryIO, Final

from biomass_pipeline.errors import UnreadableImageError

READABLE: Final = frozenset({"JPEG", "PNG", "TIFF", "WEBP"})
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
_LOSSLESS, _LOSSY = 0x2F, b"\x9d\x01\x2a"


def recognise(stream: BinaryIO) -> str:
    """Name the format of a file: JPEG, PNG, TIFF or WEBP.

    Raises:
        UnreadableImageError: It is none of these, it is empty, or it says that it has no pixels.
    """
    head = _head(stream)
    if not head:
        raise UnreadableImageError(reason="empty file")
    for start, signature, kind in _SIGNATURES:
        if head.startswith(signature, start):
            if kind not in READABLE:
                raise UnreadableImageError(reason=f"format {kind} is not supported")
            if kind == "PNG" and b"\0\0\0\0" in (head[16:20], head[20:24]):
                raise UnreadableImageError(reason="zero-sized")
            return kind
    raise UnreadableImageError(reason="not an image")


def webp_size_px(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) that a WebP file's header gives; (0, 0) if it has none of the known ones.

    Pillow's opener would ask its process-wide pixel limit and set up a decoder first.
    Source: RFC 9649, sections 2.5 to 2.7.
    """
    head = _head(stream)
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[27:30], "little"), 1 + int.from_bytes(head[24:27], "little")
    if kind == b"VP8L" and head[20] == _LOSSLESS:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if kind == b"VP8 " and head[23:26] == _LOSSY:
        width, height = (int.from_bytes(head[i : i + 2], "little") & 0x3FFF for i in (26, 28))
        return height, width
    return 0, 0


def _head(stream: BinaryIO) -> bytes:
    stream.seek(0)
    head = stream.read(_SIGNATURE_BYTES)
    stream.seek(0)
    return head
