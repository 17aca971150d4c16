"""Reading tiles in a process of its own: what goes in and comes out are those of `read_tiles`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import LostDecoderError
from biomass_pipeline.imaging.decoding import decode_upright
from biomass_pipeline.imaging.memory import keep_freed_memory
from biomass_pipeline.imaging.reading import TileChunk, largest_chunk_bytes, streamed, tiles_of
from biomass_pipeline.isolation import NONSENSE, Answer, Crew
from biomass_pipeline.manifest import ReadLimits, open_photo, telling


def read_tiles_apart(
    crew: Crew,
    stream: BinaryIO,
    coords: NDArray[np.integer],
    *,
    tile_px: int,
    limits: ReadLimits,
    fresh: bool = False,
) -> Iterator[TileChunk]:
    """Yield what `read_tiles` yields; the photo is decoded by a process of a crew.

    A photo that may be held comes over whole, so that its process is free for the next one while
    its tiles wait to be embedded; a larger one keeps its process until its last tile.

    Args:
        crew: The processes.
        stream: As `read_tiles` has it; so are `coords`, `tile_px` and `limits`.
        coords: As above.
        tile_px: As above.
        limits: As above.
        fresh: Decode it in a process that has done nothing before.

    Raises:
        LostDecoderError: The process crashed, hung, or what it gave is no photo or no tiles.
        UnreadableImageError: With the reason that the manifest gives for the same bytes.
        ValueError: A tile leaves the photo.
    """
    answers = crew.run(
        give_tiles,
        stream,
        most_bytes=max(3 * limits.stream_above_px, largest_chunk_bytes(tile_px)),
        fresh=fresh,
        coords=np.asarray(coords).tolist(),
        tile_px=tile_px,
        max_pixels=limits.max_pixels,
        stream_above_px=limits.stream_above_px,
    )
    left = np.ones(len(coords), np.bool_)
    for answer in answers:
        if "size_px" in answer.facts:
            image = answer.shaped((*answer.size_px(most_px=limits.stream_above_px), 3))
            del answer
            # Once it has said that this is all, the process is free.
            if next(answers, None) is not None:
                break
            yield from tiles_of(image, coords, tile_px)
            return
        which = answer.numbers("tiles", below=len(coords))
        if not which or len(set(which)) < len(which) or not left[which].all():
            break
        left[which] = False
        yield np.array(which), answer.shaped((len(which), tile_px, tile_px, 3))
    if left.any():
        raise LostDecoderError(reason=NONSENSE)


def give_tiles(
    stream: BinaryIO,
    alive: Callable[[], object],
    *,
    coords: Sequence[Sequence[int]],
    tile_px: int,
    max_pixels: int,
    stream_above_px: int,
) -> Iterator[Answer]:
    """Inside a process: yield the whole photo if it may be held, else its tiles in chunks."""
    keep_freed_memory()
    limits = ReadLimits(max_pixels=max_pixels, stream_above_px=stream_above_px)
    photo = open_photo(stream, limits=limits)
    if photo.n_pixels <= limits.stream_above_px:
        image = decode_upright(photo)
        yield Answer({"size_px": image.shape[:2]}, image)
        return
    picture = photo.picture()
    bands = telling(picture.bands, alive)
    for tiles, pixels in streamed(replace(picture, bands=bands), np.array(coords), tile_px):
        yield Answer({"tiles": tiles.tolist()}, pixels)
