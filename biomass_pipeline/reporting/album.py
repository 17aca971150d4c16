"""One look at every photo: a small picture for the page, and what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.imaging import (
    LOOK_PX,
    PhotoQuality,
    ReadLimits,
    judge_quality,
    read_thumbnail,
)
from biomass_pipeline.reporting.thumbnails import thumbnail_uri

# Of all small pictures together, as text in the page.
BUDGET_CHARACTERS: Final = 6_000_000
# What a picture of the least size takes; where the budget gives less, some have none.
_LEAST_CHARACTERS: Final = 3_500


@dataclass(frozen=True)
class Album:
    """What looking at the photos gave.

    Attributes:
        pictures: Data URIs by image id.
        qualities: By image id.
        unreadable: Why a photo could not be looked at, by image id.
        n_without: Photos that had no room for a picture.
    """

    pictures: Mapping[str, str] = field(default_factory=dict)
    qualities: Mapping[str, PhotoQuality] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    n_without: int = 0


def read_album(
    photos: Sequence[tuple[str, str]],
    open_photo: Callable[[str], BinaryIO],
    *,
    limits: ReadLimits,
    threads: int,
    budget_characters: int = BUDGET_CHARACTERS,
) -> Album:
    """Look at each photo once, at a reduced size. The same photos give the same album.

    The room is divided evenly; where that is too little to recognise anything, the first photos
    get pictures and the others none.

    Args:
        photos: Image id and path, those whose pictures matter most first.
        open_photo: Gives a photo's bytes, seekable, by its path.
        limits: What is refused, and what is never held whole.
        threads: How many decode side by side.
        budget_characters: What all pictures together may have.
    """
    share = max(budget_characters // max(len(photos), 1), _LEAST_CHARACTERS)
    n_shown = budget_characters // share

    def look(numbered: tuple[int, tuple[str, str]]) -> tuple[str, PhotoQuality] | str:
        number, (_, path) = numbered
        try:
            with open_photo(path) as stream:
                pixels = read_thumbnail(stream, max_side_px=LOOK_PX, limits=limits).pixels
        except UnreadableImageError as error:
            return error.reason
        except OSError as error:
            return f"unreadable: {error.strerror or error}"
        uri = thumbnail_uri(pixels, most_characters=share) if number < n_shown else ""
        return uri, judge_quality(pixels)

    with ThreadPoolExecutor(threads) as pool:
        looks = list(pool.map(look, enumerate(photos)))
    found = {image_id: seen for (image_id, _), seen in zip(photos, looks, strict=True)}
    seen = {name: each for name, each in found.items() if not isinstance(each, str)}
    return Album(
        pictures={name: uri for name, (uri, _) in seen.items() if uri},
        qualities={name: quality for name, (_, quality) in seen.items()},
        unreadable={name: each for name, each in found.items() if isinstance(each, str)},
        n_without=max(len(photos) - n_shown, 0),
    )
