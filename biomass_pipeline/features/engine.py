"""The extraction engine of one machine: decode ahead, fill batches across photos, embed, in order.

The caller's thread is the single writer: threads decode a bounded number of photos ahead, and each
lane (a backbone on a device) embeds in a thread of its own, so decoding, embedding and writing
overlap while the memory stays bounded.
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import BiomassError, LostDecoderError
from biomass_pipeline.features.backbone import Backbone, Features, Tiles
from biomass_pipeline.features.photos import Chunk, Photo, Reading, chunks_of, refusal
from biomass_pipeline.imaging import keep_freed_memory
from biomass_pipeline.isolation import Crew

# Photos that wait decoded, per decoding thread: bounds the memory, with one batch a lane.
_PHOTOS_AHEAD = 2


@dataclass(frozen=True)
class Block:
    """Some tiles of one photo with their rows, or the reason why the photo is refused.

    Attributes:
        photo: Its position among the photos.
        tiles: Shape (tile,), positions among the photo's tiles.
        features: Shape (tile * rows a tile, feature), the rows of a tile together.
        reason: Why the photo cannot be embedded; then there are no tiles.
    """

    photo: int
    tiles: NDArray[np.int64]
    features: NDArray[np.float32]
    reason: str = ""

    @classmethod
    def refused(cls, photo: int, reason: str) -> Self:
        """The block of a photo that cannot be embedded."""
        return cls(photo, np.empty(0, np.int64), np.empty((0, 0), np.float32), reason)


def embed_photos(
    photos: Sequence[Photo],
    wanted: Mapping[int, NDArray[np.int64]],
    *,
    reading: Reading,
    backbones: Sequence[Backbone],
) -> Generator[Block]:
    """Yield the rows of the tiles that are wanted, batch after batch, in order.

    A photo that cannot be read, or on which alone the backbone fails, is tried once more by itself;
    then it gives a block with the reason, and the rest goes on.

    Args:
        photos: The photos of a fold.
        wanted: For each photo's position, the positions of its tiles to embed.
        reading: How photos are read.
        backbones: One a lane; the lanes work side by side, and one may be listed twice.

    Raises:
        BiomassError: What is wrong with the set-up rather than with a photo.
    """
    keep_freed_memory()
    refused: set[int] = set()
    with _Lanes(backbones) as lanes, closing(_chunks(photos, wanted, reading)) as chunks:
        running: deque[tuple[_Batch, Future[Features]]] = deque()
        for batch in _batches(chunks, lanes.batch_size):
            # A lane gets its next batch when the last one is written: a killed run has lost one
            # batch a lane at most. The next batch is filled meanwhile, so the lane hardly waits.
            if len(running) == lanes.number:
                yield from _blocks(*running.popleft(), lanes, refused)
            running.append((batch, lanes.submit(batch.pixels)))
        while running:
            yield from _blocks(*running.popleft(), lanes, refused)


@dataclass(frozen=True)
class _Batch:
    """Tiles of one or several chunks, and whose they are."""

    pixels: Tiles
    parts: list[tuple[Chunk, slice]]


class _Lanes:
    """The backbones, each busy with one batch at a time."""

    def __init__(self, backbones: Sequence[Backbone]) -> None:
        self.number = len(backbones)
        self.batch_size = max(backbone.batch_size for backbone in backbones)
        self._idle: SimpleQueue[Backbone] = SimpleQueue()
        for backbone in backbones:
            self._idle.put(backbone)
        self._pool = ThreadPoolExecutor(self.number, thread_name_prefix="lane")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, pixels: Tiles) -> "Future[Features]":
        return self._pool.submit(self._embed, pixels)

    def _embed(self, pixels: Tiles) -> Features:
        if not len(pixels):
            return np.empty((0, 0), np.float32)
        backbone = self._idle.get()
        try:
            return backbone.embed(pixels)
        finally:
            self._idle.put(backbone)


def _chunks(
    photos: Sequence[Photo], wanted: Mapping[int, NDArray[np.int64]], reading: Reading
) -> Generator[Chunk]:
    """The photos' tiles in order, decoded by threads a bounded number ahead."""
    crew = reading.isolation.crew() if reading.isolation else None
    pool = ThreadPoolExecutor(reading.threads, thread_name_prefix="decode")
    # The processes end first: no thread waits for one when somebody presses Ctrl-C.
    with pool, crew or nullcontext():
        ahead: deque[_Source] = deque()
        try:
            for position, tiles in wanted.items():
                if len(tiles):
                    ahead.append(_Source(photos[position], position, tiles, reading, pool, crew))
                if len(ahead) > reading.threads * _PHOTOS_AHEAD:
                    yield from ahead.popleft().chunks()
            while ahead:
                yield from ahead.popleft().chunks()
        finally:
            for source in ahead:
                source.cancel()


class _Source:
    """One photo being decoded: its next chunk is always under way."""

    def __init__(
        self,
        photo: Photo,
        position: int,
        tiles: NDArray[np.int64],
        reading: Reading,
        pool: ThreadPoolExecutor,
        crew: Crew | None,
    ) -> None:
        self._photo, self._position, self._reading = photo, position, reading
        self._left = tiles
        self._pool, self._crew = pool, crew
        self._looks_left = 2
        self._look()

    def chunks(self) -> Iterator[Chunk]:
        while len(self._left):
            chunk = self._result()
            self._left = np.setdiff1d(self._left, chunk.tiles) if not chunk.reason else chunk.tiles
            if len(self._left):
                self._next = self._pool.submit(next, self._stream)
            yield chunk

    def cancel(self) -> None:
        self._next.cancel()

    def _look(self, *, fresh: bool = False) -> None:
        """Begin, or begin again with what has not come yet."""
        self._looks_left -= 1
        self._stream = chunks_of(
            self._photo, self._position, self._left, self._reading, crew=self._crew, fresh=fresh
        )
        self._next = self._pool.submit(next, self._stream)

    def _result(self) -> Chunk:
        """The next chunk; after two failures the refusal."""
        while True:
            try:
                return self._next.result()
            except Exception as error:  # noqa: BLE001  # decoders raise anything on damaged files
                if not self._looks_left:
                    return Chunk.refused(self._position, refusal(error))
                self._look(fresh=isinstance(error, LostDecoderError))


def _batches(chunks: Iterator[Chunk], batch_size: int) -> Iterator[_Batch]:
    """Batches of one size across chunks; only the last may be smaller."""
    filling: list[tuple[Chunk, slice]] = []
    room = batch_size
    for chunk in chunks:
        if chunk.reason:
            filling.append((chunk, slice(0, 0)))
        start = 0
        while start < len(chunk.tiles):
            stop = min(start + room, len(chunk.tiles))
            filling.append((chunk, slice(start, stop)))
            room -= stop - start
            start = stop
            if room == 0:
                yield _filled(filling)
                filling, room = [], batch_size
    if filling:
        yield _filled(filling)


def _filled(parts: list[tuple[Chunk, slice]]) -> _Batch:
    pieces = [chunk.pixels[piece] for chunk, piece in parts if not chunk.reason]
    if not pieces:
        return _Batch(np.empty((0, 0, 0, 3), np.uint8), parts)
    return _Batch(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), parts)


def _blocks(
    batch: _Batch, embedded: "Future[Features]", lanes: _Lanes, refused: set[int]
) -> Iterator[Block]:
    """The blocks of one batch; after a photo is refused, nothing more of it."""
    for block in _embedded(batch, embedded, lanes):
        if block.photo not in refused:
            yield block
        if block.reason:
            refused.add(block.photo)


def _embedded(batch: _Batch, embedded: "Future[Features]", lanes: _Lanes) -> Iterator[Block]:
    try:
        rows = embedded.result()
    except BiomassError:
        raise
    except Exception:  # noqa: BLE001  # of the device or the network: find out whose fault it is
        yield from (_alone(chunk, piece, lanes) for chunk, piece in batch.parts)
        return
    per_tile, start = len(rows) // max(len(batch.pixels), 1), 0
    for chunk, piece in batch.parts:
        stop = start + (piece.stop - piece.start) * per_tile
        yield _block(chunk, piece, rows[start:stop])
        start = stop


def _alone(chunk: Chunk, piece: slice, lanes: _Lanes) -> Block:
    """One photo of a failed batch by itself, so that a bad one costs nothing but itself."""
    try:
        rows = lanes.submit(chunk.pixels[piece]).result()
    except BiomassError:
        raise
    except Exception as error:  # noqa: BLE001  # the device's and the network's own errors
        first = str(error).partition("\n")[0]
        return Block.refused(chunk.photo, f"backbone failed: {type(error).__name__}: {first}")
    return _block(chunk, piece, rows)


def _block(chunk: Chunk, piece: slice, rows: Features) -> Block:
    if chunk.reason:
        return Block.refused(chunk.photo, chunk.reason)
    return Block(chunk.photo, chunk.tiles[piece], rows)
