"""The tiles of a photo: cut from the whole if it may be held, else as its rows come by.

Either way they come in chunks of a few MiB, each cut when it is asked for.

A large picture is decoded once, band after band; a tile is cut as soon as its last row is there,
and rows that no tile needs any more are dropped. So the memory holds the rows of a tile and of a
band or two, as wide as the stored picture, and the tiles of one chunk.
"""

import sys
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.imaging.colours import rgb
from biomass_pipeline.imaging.decoding import decode_upright
from biomass_pipeline.imaging.tiles import continued, cut_tiles, outside
from biomass_pipeline.manifest import Picture, ReadLimits, Window, open_photo

Kept = deque[tuple[int, NDArray[np.uint8]]]
TileChunk = tuple[NDArray[np.int64], NDArray[np.uint8]]

# Fifteen tiles of 518 px, those of an ordinary photo, are 12 MB and stay together.
_CHUNK_BYTES: Final = 16 * 2**20


def read_tiles(
    stream: BinaryIO, coords: NDArray[np.integer], *, tile_px: int, limits: ReadLimits
) -> Iterator[TileChunk]:
    """Yield the tiles of a photo, each once.

    A photo up to `limits.stream_above_px` is held whole and gives its tiles in order, all in one
    chunk unless they are many. A larger one is never held whole and gives chunks as its stored rows
    come by, so in any order.

    Args:
        stream: The file, seekable; one that is no local file is copied to a temporary one if the
            photo is large.
        coords: Shape (tile, 2), the (row_px, col_px) of each tile in the upright photo.
        tile_px: Side of a tile. A photo with a shorter side is continued by reflection.
        limits: What is refused, and what is never held whole.

    Yields:
        Positions in `coords`, shape (tile,), and their tiles, shape (tile, side, side, 3).

    Raises:
        UnreadableImageError: With the reason that the manifest gives for the same bytes.
        ValueError: A tile leaves the photo.
    """
    photo = open_photo(stream, limits=limits)
    if photo.n_pixels > limits.stream_above_px:
        yield from streamed(photo.picture(), np.asarray(coords), tile_px)
        return
    yield from tiles_of(decode_upright(photo), coords, tile_px)


def tiles_of(
    image: NDArray[np.uint8], coords: NDArray[np.integer], tile_px: int
) -> Iterator[TileChunk]:
    """Yield the tiles of a photo that is held, in order; for what it takes see `read_tiles`."""
    _check_inside(coords, (image.shape[0], image.shape[1]), tile_px)
    image = continued(image, tile_px)
    for which in _portions(list(range(len(coords))), tile_px):
        some = coords[which]
        yield np.array(which), cut_tiles(image, some[:, 0], some[:, 1], tile_px)


def streamed(picture: Picture, coords: NDArray[np.integer], tile_px: int) -> Iterator[TileChunk]:
    """Yield the tiles of a photo as its rows come by; for what it takes see `read_tiles`."""
    windows = _stored_windows(picture, coords, tile_px)
    # By last row, then from left to right: the order in which they become whole.
    order = sorted(range(len(windows)), key=lambda i: (_end(windows[i]), windows[i].col_px))
    first_needed = _first_needed([windows[i].row_px for i in order])
    kept: Kept = deque()
    done = 0
    for band in picture.bands:
        kept.append((band.row_px, rgb(band)))
        n_rows = band.row_px + len(band.samples)
        del band  # else its rows could not be freed below
        ready = done
        while ready < len(order) and _end(windows[order[ready]]) <= n_rows:
            ready += 1
        for which in _portions(order[done:ready], tile_px):
            yield np.array(which), _cut(kept, [windows[i] for i in which], picture, tile_px)
        done = ready
        _drop(kept, first_needed[done])


def _stored_windows(picture: Picture, coords: NDArray[np.integer], tile_px: int) -> list[Window]:
    """Where each tile lies in the stored picture, as far as the photo reaches."""
    height_px, width_px = picture.size_px
    _check_inside(coords, picture.size_px, tile_px)
    height, width = min(tile_px, height_px), min(tile_px, width_px)
    return [
        picture.orientation.stored_window(Window(row, col, height, width), picture.stored_px)
        for row, col in coords.tolist()
    ]


def _check_inside(coords: NDArray[np.integer], size_px: tuple[int, int], tile_px: int) -> None:
    if outside(coords, size_px, tile_px):
        height_px, width_px = size_px
        msg = f"a tile of {tile_px} px leaves the photo of {height_px} x {width_px} px"
        raise ValueError(msg)


def _end(window: Window) -> int:
    return window.row_px + window.height_px


def _first_needed(starts: list[int]) -> list[int]:
    """The first row that any tile from this one on needs; none after the last."""
    last = sys.maxsize
    return list(accumulate(reversed(starts), min, initial=last))[::-1]


def largest_chunk_bytes(tile_px: int) -> int:
    """The most that the pixels of one chunk take."""
    return max(_CHUNK_BYTES, tile_px * tile_px * 3)


def _portions(which: list[int], tile_px: int) -> Iterator[list[int]]:
    size = largest_chunk_bytes(tile_px) // (tile_px * tile_px * 3)
    for start in range(0, len(which), size):
        yield which[start : start + size]


def _drop(kept: Kept, first_needed: int) -> None:
    """Forget the rows above; what is left of a band is copied, so that the rest is freed."""
    while kept and kept[0][0] + len(kept[0][1]) <= first_needed:
        kept.popleft()
    if kept and (done := first_needed - kept[0][0]) > 0:
        kept[0] = (first_needed, kept[0][1][done:].copy())


def _cut(
    kept: Kept,
    windows: list[Window],
    picture: Picture,
    tile_px: int,
) -> NDArray[np.uint8]:
    tiles = np.empty((len(windows), tile_px, tile_px, 3), dtype=np.uint8)
    for tile, window in zip(tiles, windows, strict=True):
        pieces = [
            rows[max(window.row_px - start, 0) : _end(window) - start]
            for start, rows in kept
            if start < _end(window) and window.row_px < start + len(rows)
        ]
        columns = slice(window.col_px, window.col_px + window.width_px)
        stored = np.concatenate([piece[:, columns] for piece in pieces])
        tile[:] = continued(picture.orientation.upright(stored), tile_px)
    return tiles
