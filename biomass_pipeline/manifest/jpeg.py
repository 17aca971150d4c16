"""JPEGs that end before their picture does.

Decoders fill what is missing up in grey and only warn, which neither Pillow nor OpenCV pass on. So
the file is asked for its length, and where it looks as if something were missing, libvips decodes
it once more and is told to take warnings for errors. Where libvips is not installed, as in a kernel
of Kaggle, the decoder's own verdict has to do.
"""

import os
from dataclasses import dataclass
from threading import Lock
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.manifest.local import local_file
from biomass_pipeline.manifest.vips import has_libvips, libvips

_BLOCK_PX: Final = 8
# Mid-grey, and what is left of it when CMYK is stored inverted.
_FILLED: Final = (127, 128)
_MISSING: Final = "premature end"
_TRIES: Final = 9
# What libvips says of one file must not be taken for what it says of another.
_ONE_AT_A_TIME: Final = Lock()


def check_length(stream: BinaryIO, size_px: tuple[int, int]) -> None:
    """Refuse a file too short for what it says to hold: a block of 8 x 8 px takes a bit at least.

    Args:
        stream: The file.
        size_px: (height, width), as its header says.

    Raises:
        UnreadableImageError: `truncated`.
    """
    height, width = size_px
    n_blocks = -(-height // _BLOCK_PX) * -(-width // _BLOCK_PX)
    if stream.seek(0, os.SEEK_END) * 8 < n_blocks:
        raise UnreadableImageError(reason="truncated")


def check_filled(stream: BinaryIO, pixels: NDArray[Any], *, progressive: bool) -> None:
    """Refuse a file whose data end before its last pixel.

    Args:
        stream: The file.
        pixels: Shape (row, col, ...), the last rows that were decoded.
        progressive: Whether a lack of data blurs the picture instead of cutting it off.

    Raises:
        UnreadableImageError: `truncated`.
    """
    if (progressive or np.isin(pixels[-1, -1], _FILLED).all()) and _lacks_data(stream):
        raise UnreadableImageError(reason="truncated")


def _lacks_data(stream: BinaryIO) -> bool:
    """Whether libvips misses something; if it cannot be made to say what, it does."""
    if not has_libvips():
        return False
    with local_file(stream) as path:
        for _ in range(_TRIES):
            complaint = _complaint(path)
            if complaint.what:
                return _MISSING in complaint.what.lower()
            if not complaint.made:
                return False
    return True


@dataclass(frozen=True)
class _Complaint:
    """What libvips says of a file when warnings are errors.

    Attributes:
        made: Whether it complains at all.
        what: Of what; empty if another thread, which shares libvips' one buffer of errors, took it.
    """

    made: bool
    what: str = ""


def _complaint(path: str) -> _Complaint:
    pyvips = libvips()
    with _ONE_AT_A_TIME:
        image = pyvips.Image.jpegload(path, access="sequential", fail_on="warning", unlimited=True)
        try:
            image.avg()
        except pyvips.Error as error:
            return _Complaint(made=True, what=str(error).partition("\n")[2].strip())
    return _Complaint(made=False)
