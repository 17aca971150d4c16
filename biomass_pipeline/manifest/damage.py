"""Why a photo cannot be read, in the words that the manifest shows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.manifest.tiff import last_byte

# A JPEG's or PNG's last marker may be followed by what the camera appended.
_TAIL_BYTES: Final = 65_536
_LAST_MARKERS: Final = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_CUT_OFF: Final = ("truncated", "premature end", "out of data")


@contextmanager
def naming_damage(stream: BinaryIO, kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one error with a reason.

    Raises:
        UnreadableImageError: With `truncated`, `corrupt` or `unreadable: ...`, or as it was raised.
    """
    try:
        yield
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        raise UnreadableImageError(reason=_reason(error, stream, kind)) from error


def _reason(error: Exception, stream: BinaryIO, kind: str) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"unreadable: {error.strerror}"
    text = f"{error} {error.__cause__ or ''}".lower()
    if isinstance(error, MemoryError) or "out of memory" in text:
        return "unreadable: not enough memory"
    cut_off = any(words in text for words in _CUT_OFF) or isinstance(error, EOFError)
    return "truncated" if cut_off or _ends_early(stream, kind) else "corrupt"


def _ends_early(stream: BinaryIO, kind: str) -> bool:
    """Whether a damaged file lacks its end."""
    n_bytes = stream.seek(0, os.SEEK_END)
    if kind == "WEBP":
        stream.seek(4)
        return int.from_bytes(stream.read(4), "little") + 8 > n_bytes
    if kind == "TIFF":
        return last_byte(stream) > n_bytes
    if kind not in _LAST_MARKERS:
        return False
    stream.seek(max(n_bytes - _TAIL_BYTES, 0))
    return _LAST_MARKERS[kind] not in stream.read()
