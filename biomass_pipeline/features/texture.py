"""Texture of one tile at several scales: edges, blobs, stripes and binary patterns.

Energies are taken on lightness (structure whatever the colour) and on ExG (edges between leaf and
soil only). Orientations are sorted by strength rather than kept by angle: a camera held
askew photographs the same sward.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.features.colour import LEAF_EXG

SCALES = 4
ORIENTATIONS = 4
GABOR_SIDE_PX = 9
# A neighbour counts as brighter from this many grey levels on: less is sensor noise.
PATTERN_TOLERANCE = 2
MOSAIC_CELLS = 8

# A binary pattern is uniform when walking round it meets at most two changes.
UNIFORM_CHANGES = 2
NOT_UNIFORM = 9
# The eight neighbours of a pixel, in one turn, as (row, column) of a plane padded by one.
RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
EDGE_THRESHOLDS = (0.02, 0.05, 0.1)
BLOB_SIGMAS_PX = (0.8, 1.6)
# Mean energies of photos lie near 0.01: brought near 0.1, float16 keeps three digits of them.
ENERGY_SCALE = 10

# What OpenCV takes and gives: integers or floats.
Plane = NDArray[np.integer[Any] | np.floating[Any]]
Named = Iterator[tuple[str, float]]


def describe_texture(tile: NDArray[np.uint8], exg: NDArray[np.float32]) -> Named:
    """Multi-scale energies and pattern shares of one tile.

    Args:
        tile: RGB, shape (side, side, 3).
        exg: The tile's excess-green plane, shape (side, side).

    Yields:
        (name, value) in a fixed order; every value finite.
    """
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)
    lightness = grey.astype(np.float32) / np.float32(255)
    for name, finest in (("grey", lightness), ("exg", exg)):
        for scale, plane in enumerate(_pyramid(finest)):
            yield from _edges(f"{name}_{scale}", plane)
            yield from _stripes(f"{name}_{scale}", plane)
            yield from _blobs(f"{name}_{scale}", plane)
    for scale, plane in enumerate(_pyramid(grey)):
        yield from _binary_patterns(f"lbp_{scale}", plane)
    yield from _mosaic(exg)


def _edges(name: str, plane: Plane) -> Named:
    """Gradient magnitude: its mean, its root mean square, and the shares of strong edges."""
    rows = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=0.125)
    columns = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=0.125)
    # Not by cv2.magnitude: its last bit depends on where in memory the planes lie.
    magnitude = np.sqrt(np.square(rows) + np.square(columns))
    yield f"{name}_edge_mean", ENERGY_SCALE * _mean_size(magnitude)
    yield f"{name}_edge_rms", ENERGY_SCALE * _root_mean_square(magnitude)
    for threshold in EDGE_THRESHOLDS:
        strong = np.count_nonzero(magnitude > threshold)
        yield f"{name}_edge_above_{threshold}", strong / magnitude.size


def _stripes(name: str, plane: Plane) -> Named:
    """Gabor energies of even phase, strongest orientation first, and how far they differ."""
    responses = (cv2.filter2D(plane, cv2.CV_32F, kernel) for kernel in _gabor_kernels())
    energies = sorted((_mean_size(response) for response in responses), reverse=True)
    for rank, energy in enumerate(energies):
        yield f"{name}_gabor_{rank}", ENERGY_SCALE * energy
    yield f"{name}_gabor_contrast", 1 - energies[-1] / max(energies[0], 1e-4)


def _blobs(name: str, plane: Plane) -> Named:
    """Difference of Gaussians: mean strength of bright and of dark blobs; the plane's spread."""
    difference = cv2.subtract(
        cv2.GaussianBlur(plane, (0, 0), BLOB_SIGMAS_PX[0]),
        cv2.GaussianBlur(plane, (0, 0), BLOB_SIGMAS_PX[1]),
    )
    size, mean = _mean_size(difference), cv2.mean(difference)[0]
    yield f"{name}_blob_bright", ENERGY_SCALE * (size + mean) / 2
    yield f"{name}_blob_dark", ENERGY_SCALE * (size - mean) / 2
    yield f"{name}_blob_rms", ENERGY_SCALE * _root_mean_square(difference)
    yield f"{name}_sd", float(plane.std(dtype=np.float64))


def _binary_patterns(name: str, grey: Plane) -> Named:
    """Rotation-invariant uniform local binary patterns of radius 1 (Ojala et al. 2002)."""
    padded = cv2.copyMakeBorder(grey, 1, 1, 1, 1, cv2.BORDER_REFLECT_101)
    height, width = grey.shape
    # Saturating at 255 is right: nothing is brighter than white.
    centre = cv2.add(grey, np.full_like(grey, PATTERN_TOLERANCE))
    ones, changes = np.zeros(grey.shape, np.uint8), np.zeros(grey.shape, np.uint8)
    before = None
    for row, column in (*RING, RING[0]):
        neighbour = padded[row : row + height, column : column + width]
        brighter = (neighbour > centre).view(np.uint8)
        if before is not None:
            ones += brighter
            changes += brighter ^ before
        before = brighter
    labels = np.where(changes <= UNIFORM_CHANGES, ones, np.uint8(NOT_UNIFORM))
    counts: Any = cv2.calcHist([labels], [0], None, [NOT_UNIFORM + 1], [0, NOT_UNIFORM + 1])
    for label, count in enumerate(counts.ravel()):
        yield f"{name}_{label}", float(count) / labels.size


def _mosaic(exg: Plane) -> Named:
    """How unevenly leaf lies over the tile, from cells of an eighth of its side."""
    leaf = (exg > LEAF_EXG).astype(np.float32)
    cells = cv2.resize(leaf, (MOSAIC_CELLS, MOSAIC_CELLS), interpolation=cv2.INTER_AREA)
    yield "mosaic_cover_sd", float(cells.std(dtype=np.float64))
    yield "mosaic_cover_least", float(cells.min())
    yield "mosaic_cover_most", float(cells.max())
    outline = cv2.morphologyEx(leaf, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    yield "mosaic_outline", _mean_size(outline)


def _mean_size(plane: Plane) -> float:
    return cv2.norm(plane, cv2.NORM_L1) / plane.size


def _root_mean_square(plane: Plane) -> float:
    return cv2.norm(plane, cv2.NORM_L2) / float(np.sqrt(plane.size))


def _pyramid(plane: Plane) -> Iterator[Plane]:
    """The plane at `SCALES` sizes, each pixel the mean of four of the size before."""
    for _ in range(SCALES):
        yield plane
        height, width = plane.shape[0] // 2, plane.shape[1] // 2
        if min(height, width):
            even = plane[: 2 * height, : 2 * width]
            plane = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)


@cache
def _gabor_kernels() -> tuple[NDArray[np.float32], ...]:
    """Even Gabor filters of wavelength 4 px without response to flat ground, unit absolute sum."""
    kernels = []
    for turn in range(ORIENTATIONS):
        size, angle = (GABOR_SIDE_PX, GABOR_SIDE_PX), np.pi * turn / ORIENTATIONS
        kernel = cv2.getGaborKernel(size, 1.6, angle, 4.0, 0.7, 0.0, cv2.CV_64F)
        kernel -= kernel.mean()
        kernels.append((kernel / np.abs(kernel).sum()).astype(np.float32))
    return tuple(kernels)
