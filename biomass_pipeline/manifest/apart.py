"""A look at a photo's content in a process of its own: the same verdict as `inspect_photo`'s."""

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from biomass_pipeline.errors import LostDecoderError
from biomass_pipeline.isolation import NONSENSE, Answer, Crew
from biomass_pipeline.manifest.inspection import Inspection, inspect_photo
from biomass_pipeline.manifest.photograph import ReadLimits
from biomass_pipeline.manifest.raster import Place

_HASH: Final = re.compile(r"([0-9a-f]{16})?")


def inspect_apart(crew: Crew, stream: BinaryIO, *, limits: ReadLimits) -> Inspection:
    """Decode a photo once by a process of a crew, and once more by a fresh one if that was lost.

    Raises:
        LostDecoderError: Both crashed, hung, or gave no sensible answer.
        UnreadableImageError: As `inspect_photo`.
    """
    answer = crew.ask(
        give_inspection,
        stream,
        max_pixels=limits.max_pixels,
        stream_above_px=limits.stream_above_px,
    )
    valid_fraction = answer.fact("valid_fraction", float)
    perceptual_hash = answer.fact("perceptual_hash", str)
    if not 0 < valid_fraction <= 1 or not _HASH.fullmatch(perceptual_hash):
        raise LostDecoderError(reason=NONSENSE)
    return Inspection(
        size_px=answer.size_px(most_px=limits.max_pixels),
        warning=answer.fact("warning", str),
        place=Place(answer.fact("crs", str), answer.fact("transform", str)),
        valid_fraction=valid_fraction,
        perceptual_hash=perceptual_hash,
    )


def give_inspection(
    stream: BinaryIO, alive: Callable[[], object], *, max_pixels: int, stream_above_px: int
) -> Iterator[Answer]:
    """Inside a process: yield what a look found."""
    limits = ReadLimits(max_pixels=max_pixels, stream_above_px=stream_above_px)
    found = inspect_photo(stream, limits=limits, tell=alive)
    yield Answer(
        {
            "size_px": found.size_px,
            "warning": found.warning,
            "crs": found.place.crs,
            "transform": found.place.transform,
            "valid_fraction": found.valid_fraction,
            "perceptual_hash": found.perceptual_hash,
        }
    )
