"""Photos on their way to a backbone: checked to be those of the manifest, and cut into tiles."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import BiomassError, ChangedImageError, UnreadableImageError
from biomass_pipeline.imaging import ReadLimits, read_tiles, read_tiles_apart
from biomass_pipeline.isolation import Crew, Isolation
from biomass_pipeline.plain import in_short

# A larger file is read twice, once for its hash, rather than held in memory.
_HELD_BYTES = 64 * 2**20


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
class Reading:
    """How photos are read; never changes a result.

    Attributes:
        open: Opens a photo by its path, as a seekable binary stream.
        tile_px: Side of a tile.
        limits: What is refused, and what is never held whole.
        threads: How many photos are decoded at once.
        isolation: Decode them in processes of their own; None: in the threads.
    """

    open: Callable[[str], BinaryIO]
    tile_px: int
    limits: ReadLimits
    threads: int
    isolation: Isolation | None = None


@dataclass(frozen=True)
class Chunk:
    """Some tiles of one photo, or the reason why it is refused.

    Attributes:
        photo: Its position.
        tiles: Shape (tile,), positions among the photo's tiles.
        pixels: Shape (tile, side, side, 3), uint8.
        reason: Why there are none.
    """

    photo: int
    tiles: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    reason: str = ""

    @classmethod
    def refused(cls, photo: int, reason: str) -> Self:
        """The chunk of a photo that cannot be read."""
        return cls(photo, np.empty(0, np.int64), np.empty((0, 0, 0, 3), np.uint8), reason)


def chunks_of(
    photo: Photo,
    position: int,
    tiles: NDArray[np.int64],
    reading: Reading,
    *,
    crew: Crew | None = None,
    fresh: bool = False,
) -> Iterator[Chunk]:
    """Yield the wanted tiles of one photo as they are decoded.

    Args:
        photo: Which.
        position: Its place among the photos.
        tiles: The positions of those that are wanted.
        reading: How it is read.
        crew: Processes that decode it; None: it is decoded here.
        fresh: Of these, one that has done nothing before.

    Raises:
        ChangedImageError: It is not the photo that the manifest saw.
        UnreadableImageError: It cannot be decoded.
        OSError: It cannot be opened or read.
    """
    with reading.open(photo.path) as stream:
        checked = _checked(stream, photo)
        how: dict[str, Any] = {"tile_px": reading.tile_px, "limits": reading.limits}
        found = (
            read_tiles_apart(crew, checked, photo.coords[tiles], fresh=fresh, **how)
            if crew
            else read_tiles(checked, photo.coords[tiles], **how)
        )
        for which, pixels in found:
            yield Chunk(position, tiles[which], pixels)


def refusal(error: Exception) -> str:
    """Why a photo cannot be used, in the manifest's words.

    Raises:
        BiomassError: The error is about the set-up, not about a photo.
    """
    if isinstance(error, ChangedImageError):
        return "changed since the manifest was made: run again"
    if isinstance(error, UnreadableImageError):
        return error.reason
    if isinstance(error, BiomassError):
        raise error
    return f"unreadable: {in_short(error)}"


def _checked(stream: BinaryIO, photo: Photo) -> BinaryIO:
    """The stream at its start, after its content was compared with the manifest's."""
    n_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if n_bytes > _HELD_BYTES:
        # Buffered files, local or of fsspec, all have what typeshed asks for beyond BinaryIO.
        digest = hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest()
        stream.seek(0)
    else:
        data = stream.read()
        digest, stream = hashlib.sha256(data).hexdigest(), BytesIO(data)
    if digest != photo.sha256:
        raise ChangedImageError(photo.path)
    return stream
