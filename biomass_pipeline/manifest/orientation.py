"""How a stored picture is turned upright: pieces of it, windows and map coordinates."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

_Any = TypeVar("_Any", bound=np.generic)
Affine = tuple[float, float, float, float, float, float]


class Window(NamedTuple):
    """A rectangle of pixels."""

    row_px: int
    col_px: int
    height_px: int
    width_px: int


@dataclass(frozen=True)
class Orientation:
    """What turns the upright picture into the stored one: a transposition, then flips.

    Attributes:
        transposed: Rows became columns.
        rows_flipped: Then the rows were stored from the last to the first.
        cols_flipped: And the columns.
    """

    transposed: bool = False
    rows_flipped: bool = False
    cols_flipped: bool = False

    def upright_px(self, stored_px: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the upright picture."""
        height, width = stored_px
        return (width, height) if self.transposed else (height, width)

    def upright(self, stored: NDArray[_Any]) -> NDArray[_Any]:
        """Turn a stored picture or a piece of it, shape (row, col, ...); a view comes back."""
        rows = slice(None, None, -1 if self.rows_flipped else 1)
        cols = slice(None, None, -1 if self.cols_flipped else 1)
        turned = stored[rows, cols]
        return np.swapaxes(turned, 0, 1) if self.transposed else turned

    def stored_window(self, upright: Window, stored_px: tuple[int, int]) -> Window:
        """Where a window of the upright picture lies in the stored one."""
        row, col, height, width = upright
        if self.transposed:
            row, col, height, width = col, row, width, height
        if self.rows_flipped:
            row = stored_px[0] - row - height
        if self.cols_flipped:
            col = stored_px[1] - col - width
        return Window(row, col, height, width)

    def upright_transform(self, stored: Affine, stored_px: tuple[int, int]) -> Affine:
        """The map coordinates (x, y) of the upright picture's corner (col, row).

        Args:
            stored: `(a, b, c, d, e, f)`: x = a col + b row + c, y = d col + e row + f.
            stored_px: (height, width) of the stored picture.
        """
        turn = np.eye(3)
        if self.transposed:
            turn = turn[[1, 0, 2]]
        if self.cols_flipped:
            turn[0] = [0, 0, stored_px[1]] - turn[0]
        if self.rows_flipped:
            turn[1] = [0, 0, stored_px[0]] - turn[1]
        whole: NDArray[Any] = np.reshape(stored, (2, 3)) @ turn
        a, b, c, d, e, f = whole.ravel().tolist()
        return a, b, c, d, e, f


# EXIF 2.32, table 6: what turned the upright picture into the stored one.
ORIENTATIONS: Final = {
    1: Orientation(),
    2: Orientation(cols_flipped=True),
    3: Orientation(rows_flipped=True, cols_flipped=True),
    4: Orientation(rows_flipped=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, rows_flipped=True),
    7: Orientation(transposed=True, rows_flipped=True, cols_flipped=True),
    8: Orientation(transposed=True, cols_flipped=True),
}
