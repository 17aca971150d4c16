"""Windows cut out of a decoded photo."""

import numpy as np
from numpy.typing import NDArray


def cut_tiles(
    image: NDArray[np.uint8],
    row_px: NDArray[np.integer],
    col_px: NDArray[np.integer],
    tile_px: int,
) -> NDArray[np.uint8]:
    """Cut square windows; a photo smaller than a tile is continued by reflection.

    Args:
        image: Shape (height, width, 3).
        row_px: Shape (tile,), first row of each window.
        col_px: Shape (tile,), first column of each window.
        tile_px: Side of a window.

    Returns:
        A copy of shape (tile, tile_px, tile_px, 3).

    Raises:
        ValueError: A window leaves the photo.
    """
    height_px, width_px, channels = image.shape
    missing = (max(tile_px - height_px, 0), max(tile_px - width_px, 0))
    if any(missing):
        image = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")
    rows, cols = np.asarray(row_px), np.asarray(col_px)
    last = np.array(image.shape[:2]) - tile_px
    starts = np.stack([rows, cols], axis=1)
    if (starts < 0).any() or (starts > last).any():
        msg = f"a tile of {tile_px} px leaves the photo of {height_px} x {width_px} px"
        raise ValueError(msg)
    tiles = np.empty((len(rows), tile_px, tile_px, channels), dtype=np.uint8)
    for tile, row, col in zip(tiles, rows, cols, strict=True):
        tile[:] = image[row : row + tile_px, col : col + tile_px]
    return tiles
