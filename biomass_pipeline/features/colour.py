"""Colour statistics and vegetation indices of one tile: no position, no neighbourhood.

Every number comes from a histogram or a mean over pixels, so turning or mirroring a tile changes
nothing. Percentiles say how the tile's colours spread; shares above fixed thresholds say how much
of the ground is covered. Both an adaptive and fixed thresholds are kept: Otsu's follows the light
but invents a boundary in a tile that is all soil or all leaf, a fixed one never does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PERCENTILES = (2, 10, 25, 50, 75, 90, 98)
BINS = 512
# Otsu's threshold is trusted only where ExG parts leaf from soil in daylight photos.
OTSU_RANGE = (0.02, 0.25)
# ExG above which a pixel counts as leaf when one mask is needed (Woebbecke et al. 1995: 0.05-0.2).
LEAF_EXG = 0.1
# OpenCV counts hue in steps of two degrees.
HUES = 180
HUE_BINS = 12
# OpenCV's 8-bit a* and b* are 128 for grey.
NEUTRAL = 128
LAB_A_THRESHOLDS = (-16, -12, -8, -6, -4, -2, 0, 3, 6)
LAB_B_THRESHOLDS = (0, 6, 12, 18, 24)
# Cells of Lab: five steps of lightness by the a* and b* at which soil, straw and leaf part ways.
CELL_EDGES = ((60, 100, 140, 180), (116, 120, 124, 128, 132), (128, 136, 144, 152))
# Canopeo (Patrignani and Ochsner 2015): R/G and B/G below a ratio, 2G - R - B above an excess.
CANOPEO_RATIOS = (0.85, 0.9, 0.95, 1.0, 1.05)
CANOPEO_EXCESS = (0, 20)

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Shares = NDArray[np.float64]
Named = Iterator[tuple[str, float]]


@dataclass(frozen=True)
class Index:
    """A quantity of a pixel: where its values lie, and from which values on it means leaf."""

    low: float
    high: float
    thresholds: tuple[float, ...]

    @property
    def values(self) -> Shares:
        """The middle of each bin of its histogram, shape (bin,)."""
        width = (self.high - self.low) / BINS
        return np.asarray(self.low + width * (np.arange(BINS) + 0.5), np.float64)


INDICES = {
    "exg": Index(-1.0, 2.0, (-0.05, 0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4)),
    "exgr": Index(-2.4, 3.0, (-0.3, -0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3)),
    "gli": Index(-1.0, 1.0, (-0.02, 0.0, 0.02, 0.04, 0.06, 0.08, 0.12, 0.2)),
    "vari": Index(-1.0, 1.0, (-0.1, -0.05, 0.0, 0.05, 0.1, 0.2)),
    "ngrdi": Index(-1.0, 1.0, (-0.1, -0.05, -0.025, 0.0, 0.025, 0.05, 0.1)),
}


def vegetation_indices(tile: Pixels) -> dict[str, Plane]:
    """The classical RGB indices of every pixel.

    ExG = 2g - r - b (Woebbecke et al. 1995), ExGR = ExG - (1.4r - g) (Meyer and Neto 2008) on
    r + g + b = 1; GLI (Louhaichi et al. 2001), VARI (Gitelson et al. 2002), NGRDI (Tucker 1979) on
    the raw channels. VARI's denominator may vanish: it is kept above 1 and the ratio in [-1, 1].

    Args:
        tile: RGB, shape (side, side, 3).

    Returns:
        Planes of shape (side, side) by index; a black pixel is 0 in each.
    """
    red, green, blue = (tile[..., channel].astype(np.float32) for channel in range(3))
    total = np.maximum(red + green + blue, 1)
    exg = (2 * green - red - blue) / total
    return {
        "exg": exg,
        "exgr": exg - (1.4 * red - green) / total,
        "gli": (2 * green - red - blue) / np.maximum(2 * green + red + blue, 1),
        "vari": np.clip((green - red) / np.maximum(green + red - blue, 1), -1, 1),
        "ngrdi": (green - red) / np.maximum(green + red, 1),
    }


def describe_colour(tile: Pixels, indices: dict[str, Plane]) -> Named:
    """Colour, index and cover statistics of one tile.

    Args:
        tile: RGB, shape (side, side, 3).
        indices: The tile's `vegetation_indices`.

    Yields:
        (name, value) in a fixed order; every value finite and within [-3, 3].
    """
    hsv: Any = cv2.cvtColor(tile, cv2.COLOR_RGB2HSV)
    lab: Any = cv2.cvtColor(tile, cv2.COLOR_RGB2LAB)
    yield from _bytes(tile, ("red", "green", "blue"))
    # Hue is an angle: it has no percentiles.
    yield from _bytes(hsv[..., 1:], ("saturation", "value"))
    yield from _bytes(lab, ("lightness", "lab_a", "lab_b"))
    yield from _hues(hsv)
    yield from _lab_shares(lab)
    yield from _cells(lab)
    for name, index in INDICES.items():
        yield from _index_statistics(name, indices[name], index)
    yield from _otsu(indices["exg"])
    yield from _canopeo(tile)
    yield from _leaf_and_ground(lab, indices["exg"])


def _bytes(image: Pixels, names: tuple[str, ...]) -> Named:
    for channel, name in enumerate(names):
        yield from _statistics(name, byte_histogram(image, channel), np.arange(256) / 255)


def byte_histogram(image: Pixels, channel: int) -> Shares:
    """Shares of a channel's values, shape (256,)."""
    counts: Any = cv2.calcHist([image], [channel], None, [256], [0, 256])
    return np.asarray(counts.ravel().astype(np.float64) / image[..., channel].size, np.float64)


def _share(mask: NDArray[np.bool_]) -> float:
    return np.count_nonzero(mask) / mask.size


def _statistics(name: str, shares: Shares, values: Shares) -> Named:
    """Moments and percentiles of a histogram: shares and values of shape (bin,)."""
    mean = float(shares @ values)
    yield f"{name}_mean", mean
    yield f"{name}_sd", float(np.sqrt(shares @ (values - mean) ** 2))
    yield f"{name}_skew", float(np.cbrt(shares @ (values - mean) ** 3))
    cumulative = np.cumsum(shares)
    for percentile in PERCENTILES:
        rank = min(int(np.searchsorted(cumulative, percentile / 100)), len(values) - 1)
        yield f"{name}_p{percentile}", float(values[rank])


def _index_statistics(name: str, plane: Plane, index: Index) -> Named:
    yield from _statistics(name, index_histogram(plane, index), index.values)
    for threshold in index.thresholds:
        yield f"{name}_above_{threshold}", _share(plane > threshold)


def index_histogram(plane: Plane, index: Index) -> Shares:
    """Shares of a plane's values by bin; the highest value belongs to the last bin."""
    inside = np.clip(plane, np.float32(index.low), np.float32(index.values[-1]))
    counts: Any = cv2.calcHist([inside], [0], None, [BINS], [index.low, index.high])
    shares: Shares = counts.ravel().astype(np.float64) / plane.size
    return shares


def _hues(hsv: Pixels) -> Named:
    """Shares of hues, each pixel counted by its saturation: grey has no hue."""
    counts: Any = cv2.calcHist([hsv], [0, 1], None, [HUE_BINS, 256], [0, HUES, 0, 256])
    shares = counts.astype(np.float64) @ (np.arange(256) / 255) / hsv[..., 0].size
    for index, share in enumerate(shares):
        yield f"hue_{360 // HUE_BINS * index}", float(share)


def _lab_shares(lab: Pixels) -> Named:
    """Shares of pixels below a* and b* thresholds: leaf green, straw yellow."""
    for channel, letter, thresholds in ((1, "a", LAB_A_THRESHOLDS), (2, "b", LAB_B_THRESHOLDS)):
        below = np.cumsum(byte_histogram(lab, channel))
        for threshold in thresholds:
            yield f"{letter}_below_{threshold}", float(below[NEUTRAL + threshold - 1])


def _cells(lab: Pixels) -> Named:
    """How much of the tile falls in each cell of Lab, as square roots.

    The root (Hellinger's distance) keeps a small patch of a rare colour, such as the first
    leaves on bare soil, from drowning beside the ground's share.
    """
    code: Pixels = np.zeros(lab.shape[:2], np.uint8)
    cells = 1
    for channel, edges in enumerate(CELL_EDGES):
        steps = np.searchsorted(edges, np.arange(256), side="right").astype(np.uint8)
        code = code * np.uint8(len(edges) + 1) + steps[lab[..., channel]]
        cells *= len(edges) + 1
    for cell, share in enumerate(byte_histogram(code[..., np.newaxis], 0)[:cells]):
        yield f"cell_{cell}", float(np.sqrt(share))


def _otsu(exg: Plane) -> Named:
    """Cover by Otsu's threshold (1979) held within `OTSU_RANGE`, and how well it parts the tile."""
    index = INDICES["exg"]
    shares, values = index_histogram(exg, index), index.values
    below, weighted = np.cumsum(shares), np.cumsum(shares * values)
    mean = weighted[-1]
    between = (mean * below - weighted) ** 2 / np.maximum(below * (1 - below), 1e-9)
    best = int(np.argmax(between))
    threshold = float(np.clip((values[best] + values[min(best + 1, BINS - 1)]) / 2, *OTSU_RANGE))
    variance = float(shares @ (values - mean) ** 2)
    yield "otsu_threshold", threshold
    yield "otsu_cover", _share(exg > threshold)
    yield "otsu_separation", min(float(between[best]) / max(variance, 1e-6), 1.0)


def _canopeo(tile: Pixels) -> Named:
    red, green, blue = (tile[..., channel].astype(np.float32) for channel in range(3))
    excess = 2 * green - red - blue
    enoughs = [(least, excess > least) for least in CANOPEO_EXCESS]
    strongest = np.maximum(red, blue)
    for ratio in CANOPEO_RATIOS:
        greenest = strongest < np.float32(ratio) * green
        for least, enough in enoughs:
            yield f"canopeo_{ratio}_{least}", _share(greenest & enough)


def _leaf_and_ground(lab: Pixels, exg: Plane) -> Named:
    """Mean colour of leaf and of ground apart; 0 for a kind that the tile lacks."""
    leaf = exg > LEAF_EXG
    for kind, mask in (("leaf", leaf), ("ground", ~leaf)):
        means = cv2.mean(lab, mask.view(np.uint8)) if mask.any() else (0.0, NEUTRAL, NEUTRAL)
        yield f"{kind}_l", means[0] / 255
        yield f"{kind}_a", (means[1] - NEUTRAL) / 64
        yield f"{kind}_b", (means[2] - NEUTRAL) / 64
