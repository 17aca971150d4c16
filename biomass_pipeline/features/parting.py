"""Leaf and ground parted anew in every tile: how much lies on either side, and how it looks.

A fixed threshold measures light as well as cover: under another sky the same leaf is less green.
Otsu's threshold (1979) follows each tile, here in several quantities and, for the most telling of
them, in the tile shrunk as well, where neither noise nor a bright edge makes a leaf. Where all is
soil or all is leaf it finds a boundary that is none; the separation tells that, and the means of
either side tell which of the two it is.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.features.colour import (
    INDICES,
    NEUTRAL,
    Index,
    Named,
    Plane,
    byte_histogram,
    index_histogram,
)

# How many times a tile is shrunk for the quantities that are parted at several scales.
SHRINKS = (1, 4, 8)
LAB_SPREAD = 64
# A side without any pixel, up to rounding.
EMPTY = 1e-9
SMALLEST_VARIANCE = 1e-6

# 2G - R - B without the division by the light; no thresholds of its own.
EXCESS = Index(-510.0, 510.0, ())

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Histogram = tuple[Floats, Floats]


def describe_parting(tile: Pixels, indices: dict[str, Plane]) -> Named:
    """Cover, contrast and both sides' means, by quantity and scale.

    Args:
        tile: RGB, shape (side, side, 3).
        indices: The tile's `vegetation_indices`.

    Yields:
        (name, value) in a fixed order; every value finite and within [-3, 3].
    """
    for name in ("exgr", "gli", "ngrdi"):
        yield from _parted(name, _of_index(indices[name], INDICES[name]))
    for shrink in SHRINKS:
        image = _shrunk(tile, shrink)
        lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.uint8)
        if shrink == 1:
            yield from _parted("lab_b", _of_bytes(lab, 2))
            yield from _parted("lightness", _of_bytes(lab, 0))
        excess, light = _excess_and_light(image)
        exg: Plane = indices["exg"]
        if shrink > 1:
            exg = np.asarray(excess / np.maximum(light, 1), np.float32)
        # Green is where a* is low: turned round, the leaf lies above the threshold everywhere.
        shares, values = _of_bytes(lab, 1)
        at = f"shrunk_{shrink}"
        yield from _parted(f"exg_{at}", _of_index(exg, INDICES["exg"]))
        yield from _parted(f"green_a_{at}", (shares[::-1], -values[::-1]))
        yield from _parted(f"excess_{at}", (index_histogram(excess, EXCESS), EXCESS.values / 255))


def part(shares: Floats, values: Floats) -> tuple[float, float, float, float, float]:
    """Part a histogram in two where the variance between the sides is largest (Otsu 1979).

    Args:
        shares: Shape (bin,), adding up to 1.
        values: Shape (bin,), rising.

    Returns:
        The threshold; the share above it; the separation, which is the part of the variance that
        lies between the sides, in [0, 1]; the mean below; the mean above. Where all values are
        alike there is nothing above, and all three levels are that value.
    """
    below, weighted = np.cumsum(shares)[:-1], np.cumsum(shares * values)[:-1]
    mean = float(shares @ values)
    variance = float(shares @ (values - mean) ** 2)
    product = below * (1 - below)
    merit = np.divide(
        (mean * below - weighted) ** 2, product, out=np.zeros_like(product), where=product > EMPTY
    )
    best = int(np.argmax(merit))
    if merit[best] <= 0:
        return mean, 0.0, 0.0, mean, mean
    # Over a gap in the values the merit is level: the threshold lies in its middle.
    over = int(np.flatnonzero(below == below[best])[-1]) + 1
    threshold = float(values[best] + values[over]) / 2
    above = float(1 - below[best])
    separation = min(float(merit[best]) / max(variance, SMALLEST_VARIANCE), 1.0)
    low = float(weighted[best] / below[best])
    return threshold, above, separation, low, (mean - float(weighted[best])) / above


def _parted(name: str, histogram: Histogram) -> Named:
    told = ("threshold", "above", "separation", "low", "high")
    for what, value in zip(told, part(*histogram), strict=True):
        yield f"parted_{name}_{what}", value


def _excess_and_light(image: Pixels) -> tuple[Plane, Plane]:
    """2G - R - B and R + G + B: whole numbers."""
    planes = cv2.transform(image.astype(np.float32), np.array([[-1, 2, -1], [1, 1, 1]], np.float32))
    excess, light = cv2.split(planes)
    return np.asarray(excess, np.float32), np.asarray(light, np.float32)


def _of_index(plane: Plane, index: Index) -> Histogram:
    return index_histogram(plane, index), index.values


def _of_bytes(lab: Pixels, channel: int) -> Histogram:
    return byte_histogram(lab, channel), (np.arange(256) - NEUTRAL) / LAB_SPREAD


def _shrunk(tile: Pixels, shrink: int) -> Pixels:
    """The tile with each pixel the rounded mean of a square of them; at least one pixel."""
    if shrink == 1:
        return tile
    side = max(tile.shape[0] // shrink, 1)
    kept = min(side * shrink, tile.shape[0])
    whole = np.ascontiguousarray(tile[:kept, :kept])
    return np.asarray(cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
