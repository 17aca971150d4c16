"""What can be wrong with a photo that can be read: blur, exposure, a border, a stamped date.

Pure functions of pixels at a reduced size. They look for what is plain to see, so a clean verdict
is no promise: a stamp in the colours of the sward is not found.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# What the looks below are tuned for: the longer side of the picture that they are given.
LOOK_PX: Final = 512

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_BURNT: Final = 250  # at or above it in all channels, a JPEG holds no more detail
_BLACK: Final = 6
# A border is plain but for what compression does to it, and no sliver.
_PLAIN_SD: Final = 4.0
_SAME_GREY: Final = 8.0
_LEAST_BORDER: Final = 0.01
# Letters: of the photo's height, and how alike and how near the letters of one line are.
_LETTER_HEIGHT: Final = (0.015, 0.09)
_WIDEST: Final = 1.2  # of its height
_ALIKE: Final = 0.35
_NEAR: Final = 2.0
_FEWEST_LETTERS: Final = 5
# Of 255: a stamp's colours. None of 120 generated and 142 real wheat photos is taken for stamped.
_BRIGHT, _APART, _REDDER, _WHITE = 190, 110, 20, 205
# Stamps are put near an edge: the part of the height that is looked at, from above and below.
_STRIP: Final = 0.2


@dataclass(frozen=True)
class PhotoQuality:
    """What one look at a photo found.

    Attributes:
        sharpness: Variance of the Laplacian of the grey picture: high where edges are crisp. To be
            compared among photos of one survey only.
        lightness: Mean grey, 0 to 1.
        burnt: Share of pixels that are white in all channels.
        black: Share of pixels that are black in all channels.
        border: Share of the photo's area that is a plain border.
        stamped: Whether something like a stamped date stands near an edge.
    """

    sharpness: float
    lightness: float
    burnt: float
    black: float
    border: float
    stamped: bool


def judge_quality(pixels: Pixels) -> PhotoQuality:
    """Look at a photo once.

    Args:
        pixels: Shape (height, width, 3), the longer side about `LOOK_PX`.
    """
    from scipy import ndimage  # noqa: PLC0415  # decoding needs no scipy, in a process of its own

    grey = pixels @ _LUMA
    return PhotoQuality(
        # Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
        sharpness=float(ndimage.laplace(grey).var()),
        lightness=float(grey.mean() / 255),
        burnt=float((pixels.min(axis=2) >= _BURNT).mean()),
        black=float((pixels.max(axis=2) <= _BLACK).mean()),
        border=border_share(grey),
        stamped=is_stamped(pixels),
    )


def border_share(grey: NDArray[np.floating]) -> float:
    """The share of the area that is a plain border, 0 for a picture without anything in it.

    Args:
        grey: Shape (height, width), 0 to 255.
    """
    height, width = grey.shape
    top, bottom = (_plain_lines(lines) for lines in (grey, grey[::-1]))
    left, right = (_plain_lines(lines) for lines in (grey.T, grey.T[::-1]))
    if top == height or left == width:
        return 0.0
    inner = (height - top - bottom) * (width - left - right)
    return float(1.0 - inner / (height * width))


def is_stamped(pixels: Pixels) -> bool:
    """Whether a line of letters in a stamp's colour, orange or white, stands near an edge.

    Args:
        pixels: Shape (height, width, 3).
    """
    height = len(pixels)
    strip = max(int(_STRIP * height), 1)
    return any(
        _has_line(mask, height)
        for part in (pixels[:strip], pixels[-strip:])
        for mask in _ink(part.astype(np.int16))
    )


def _plain_lines(grey: NDArray[np.floating]) -> int:
    """How many lines from the first on are plain and alike; 0 if that is a sliver."""
    plain = (grey.std(axis=1) < _PLAIN_SD) & (
        np.abs(grey.mean(axis=1) - grey[0].mean()) < _SAME_GREY
    )
    n_plain = len(grey) if plain.all() else int(np.argmin(plain))
    return n_plain if n_plain >= _LEAST_BORDER * len(grey) else 0


def _ink(part: NDArray[np.int16]) -> list[Mask]:
    """Where pixels have the colour of a stamp: the orange of camera dates, or white."""
    red, green, blue = part[..., 0], part[..., 1], part[..., 2]
    orange = (red > _BRIGHT) & (red - blue > _APART) & (green < red - _REDDER) & (green > blue)
    return [orange, part.min(axis=2) > _WHITE]


def _has_line(mask: Mask, height_px: int) -> bool:
    """Whether enough blobs of one height stand side by side."""
    from scipy import ndimage  # noqa: PLC0415  # as above

    labels, _ = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
    blobs = [
        _Blob(rows.start, rows.stop - rows.start, cols.start, cols.stop)
        for rows, cols in ndimage.find_objects(labels)
    ]
    letters = [blob for blob in blobs if blob.is_letter(height_px)]
    letters.sort(key=lambda blob: blob.start)
    return any(_line_from(letters[i:]) >= _FEWEST_LETTERS for i in range(len(letters)))


@dataclass(frozen=True)
class _Blob:
    """Where some touching pixels are."""

    top: int
    height: int
    start: int
    end: int

    def is_letter(self, height_px: int) -> bool:
        least, most = _LETTER_HEIGHT
        return (
            least * height_px <= self.height <= most * height_px
            and self.end - self.start <= _WIDEST * self.height
        )

    def is_beside(self, other: "_Blob") -> bool:
        apart = abs(self.top + self.height / 2 - other.top - other.height / 2)
        return max(apart, abs(self.height - other.height)) <= _ALIKE * other.height


def _line_from(letters: list[_Blob]) -> int:
    """How many letters stand in a line that begins with the first of these."""
    first, end = letters[0], letters[0].end
    n_letters = 1
    for blob in letters[1:]:
        if blob.start > end + _NEAR * first.height:
            break
        if blob.is_beside(first):
            n_letters, end = n_letters + 1, blob.end
    return n_letters
