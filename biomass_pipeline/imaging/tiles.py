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
    coords = np.stack([np.asarray(row_px), np.asarray(col_px)], axis=1)
    if outside(coords, (height_px, width_px), tile_px):
        msg = f"a tile of {tile_px} px leaves the photo of {height_px} x {width_px} px"
        raise ValueError(msg)
    image = continued(image, tile_px)
    tiles = np.empty((len(coords), tile_px, tile_px, channels), dtype=np.uint8)
    for tile, (row, col) in zip(tiles, coords.tolist(), strict=True):
        tile[:] = image[row : row + tile_px, col : col + tile_px]
    return tiles


def continued(image: NDArray[np.uint8], tile_px: int) -> NDArray[np.uint8]:
    """A photo with sides of a tile at least, reflected at its lower and right border."""
    height_px, width_px = image.shape[:2]
    missing = (max(tile_px - height_px, 0), max(tile_px - width_px, 0))
    if not any(missing):
        return image
    return np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")


def outside(coords: NDArray[np.integer], size_px: tuple[int, int], tile_px: int) -> bool:
    """Whether any tile, shape (tile, 2), leaves a photo of this (height, width), continued."""
    last = np.maximum(np.array(size_px) - tile_px, 0)
    return bool((coords < 0).any() or (coords > last).any())
