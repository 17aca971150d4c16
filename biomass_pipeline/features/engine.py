"""The local extraction engine: decode ahead, cut tiles, fill batches across photos, embed."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import ChangedImageError
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.imaging import cut_tiles, decode

# Decoded photos that wait for the backbone, per decoding thread: bounds the memory.
_AHEAD = 2


@dataclass(frozen=True)
class Photo:
    """One photo to embed.

    Attributes:
        path: Relative to the image folder.
        sha256: The content that the manifest saw.
        coords: Shape (tile, 2), each tile's (row_px, col_px).
    """

    path: str
    sha256: str
    coords: NDArray[np.int32]


@dataclass(frozen=True)
class Progress:
    """How far an extraction is."""

    n_photos: int
    n_tiles: int
    total_photos: int
    total_tiles: int


@dataclass(frozen=True)
class Workers:
    """How the work is spread; never changes a result."""

    batch_size: int
    decode_threads: int
    max_pixels: int


def embed_photos(
    photos: Sequence[Photo],
    *,
    read: Callable[[str], bytes],
    backbone: Backbone,
    tile_px: int,
    workers: Workers,
    on_progress: Callable[[Progress], None],
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield each photo's position and features, shape (tile, feature), in order.

    Photos are decoded once, by threads, a bounded number ahead; batches run across photos.

    Raises:
        ChangedImageError: A photo is not the one that the manifest saw.
        UnreadableImageError: A photo cannot be decoded.
    """
    total_tiles = sum(len(photo.coords) for photo in photos)
    n_tiles = 0
    tiles = _tiles_ahead(photos, read, tile_px, workers)
    for position, features in enumerate(_embed_across(tiles, backbone, workers.batch_size)):
        n_tiles += len(features)
        yield position, features
        on_progress(Progress(position + 1, n_tiles, len(photos), total_tiles))


def _tiles_ahead(
    photos: Sequence[Photo], read: Callable[[str], bytes], tile_px: int, workers: Workers
) -> Iterator[NDArray[np.uint8]]:
    """Each photo's tiles, shape (tile, side, side, 3), decoded by threads a few photos ahead."""

    def load(photo: Photo) -> NDArray[np.uint8]:
        data = read(photo.path)
        if hashlib.sha256(data).hexdigest() != photo.sha256:
            raise ChangedImageError(photo.path)
        image = decode(data, max_pixels=workers.max_pixels)
        return cut_tiles(image, photo.coords[:, 0], photo.coords[:, 1], tile_px)

    waiting: deque[Future[NDArray[np.uint8]]] = deque()
    with ThreadPoolExecutor(workers.decode_threads, thread_name_prefix="decode") as pool:
        try:
            for photo in photos:
                waiting.append(pool.submit(load, photo))
                if len(waiting) > workers.decode_threads * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _embed_across(
    photos: Iterator[NDArray[np.uint8]], backbone: Backbone, batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """Features photo by photo, while the batches take tiles from several photos."""
    lengths: deque[int] = deque()
    tiles: list[NDArray[np.uint8]] = []
    rows: list[NDArray[np.float32]] = []
    for photo in photos:
        lengths.append(len(photo))
        tiles.append(photo)
        while sum(map(len, tiles)) >= batch_size:
            pool = np.concatenate(tiles) if len(tiles) > 1 else tiles[0]
            rows.append(backbone.embed(pool[:batch_size]))
            tiles = [pool[batch_size:]] if len(pool) > batch_size else []
        yield from _finished(lengths, rows)
    if tiles:
        rows.append(backbone.embed(np.concatenate(tiles)))
    yield from _finished(lengths, rows)


def _finished(
    lengths: deque[int], rows: list[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Take the photos whose rows are all there, leaving the rest in `lengths` and `rows`."""
    if not rows:
        return
    pool = np.concatenate(rows)
    start = 0
    while lengths and start + lengths[0] <= len(pool):
        length = lengths.popleft()
        yield pool[start : start + length]
        start += length
    rows[:] = [pool[start:]] if start < len(pool) else []
