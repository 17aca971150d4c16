"""Photos that a person should look at: blurred, badly exposed, framed, or stamped with a date."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np

from biomass_pipeline.imaging import PhotoQuality

# Of 120 generated and 142 real wheat photos the softest had 0.19 of its survey's usual sharpness,
# 2.5 sd below it; blurred by 2 of 350 pixels they had 0.04.
_SOFT: Final = log(6)
_SOFT_SD: Final = 3.0
_TO_SD: Final = 1.4826  # of a normal distribution, from its median absolute deviation
_FEWEST_TO_COMPARE: Final = 8
# The same photos had at most 1 % of white and 0.4 % of black pixels, lightness from 0.17 to 0.69.
_BURNT: Final = 0.1
_BLACK: Final = 0.2
_DARK: Final = 0.1
_BRIGHT: Final = 0.85


@dataclass(frozen=True)
class PhotoFault:
    """One thing that is odd about a photo."""

    image_id: str
    fault: str
    found: str


def photo_faults(qualities: Mapping[str, PhotoQuality]) -> list[PhotoFault]:
    """What is plainly wrong with some photos, by image id, then fault.

    Sharpness is compared with the survey's own photos, since it depends on what they show.

    Args:
        qualities: One look at each photo.
    """
    soft = _soft(qualities)
    return [
        PhotoFault(image_id, fault, found)
        for image_id, quality in sorted(qualities.items())
        for fault, found in _faults(quality, soft.get(image_id))
    ]


def _faults(quality: PhotoQuality, softness: float | None) -> Iterator[tuple[str, str]]:
    if softness is not None:
        yield "blurred", f"{softness:.2f} of the usual sharpness"
    if quality.burnt > _BURNT or quality.lightness > _BRIGHT:
        yield "overexposed", f"{quality.burnt:.0%} white, lightness {quality.lightness:.2f}"
    if quality.black > _BLACK or quality.lightness < _DARK:
        yield "underexposed", f"{quality.black:.0%} black, lightness {quality.lightness:.2f}"
    if quality.border > 0:
        yield "plain border", f"{quality.border:.0%} of the area"
    if quality.stamped:
        yield "date stamp", "a line of letters near an edge"


def _soft(qualities: Mapping[str, PhotoQuality]) -> dict[str, float]:
    """Sharpness as a share of the usual one, of photos far below it."""
    if len(qualities) < _FEWEST_TO_COMPARE:
        return {}
    sharpness = np.array([max(each.sharpness, 1e-6) for each in qualities.values()])
    below = np.median(np.log(sharpness)) - np.log(sharpness)
    limit = max(_SOFT, _SOFT_SD * _TO_SD * float(np.median(np.abs(below))))
    return {
        image_id: float(np.exp(-each))
        for image_id, each in zip(qualities, below, strict=True)
        if each > limit
    }
