"""A photo of a quadrat: soil, plants in layers with their shade, then the camera. Pixels only."""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.synthetic.plants import (
    DEAD_STALKS,
    GREEN_BLADES,
    Plants,
    draw_scale,
    grow_blades,
    grow_clover,
)
from biomass_pipeline.synthetic.survey import PhotoPlan, Visit

Pixels = NDArray[np.uint8]

_LAYERS = 3
_FRACTION_BITS = 4  # OpenCV's fixed point coordinates: a sixteenth of a pixel

# Mean colour (RGB), its spread, and how much lighter the veins are.
_PAINTS = (
    ((204.0, 178.0, 118.0), 13.0, 1.08),
    ((92.0, 134.0, 46.0), 14.0, 1.22),
    ((62.0, 122.0, 56.0), 9.0, 1.45),
)


def grow_plants(
    drawn_g: NDArray[np.float64], *, shape_px: tuple[int, int], chance: np.random.Generator
) -> tuple[Plants, Plants, Plants]:
    """Grow dead stalks, green blades and clover of the masses given (order of `COMPONENTS`)."""
    dead, green, clover = (float(mass) for mass in drawn_g)
    return (
        grow_blades(dead, DEAD_STALKS, shape_px=shape_px, chance=chance),
        grow_blades(green, GREEN_BLADES, shape_px=shape_px, chance=chance),
        grow_clover(clover, shape_px=shape_px, chance=chance),
    )


def paint_photo(
    plan: PhotoPlan,
    plants: tuple[Plants, Plants, Plants],
    *,
    shape_px: tuple[int, int],
    chance: np.random.Generator,
) -> Pixels:
    """Paint a photo.

    Returns:
        RGB, shape (height, width, 3).
    """
    photo = _soil(plan.visit, shape_px, chance)
    scale = draw_scale(shape_px)
    for component, (colour, spread, vein) in zip(plants, _PAINTS, strict=True):
        hue = np.array(colour) * np.exp(chance.normal(0, 0.05)) + chance.normal(0, 3, 3)
        for depth, layer in _layers(component):
            shade = chance.normal(0, spread, (len(layer.outlines), 1))
            paints = hue * (0.72 + 0.28 * depth) + shade + chance.normal(0, 5, (len(shade), 3))
            painted = _fill(photo.copy(), layer, paints, vein=vein)
            photo = _over(photo, painted, scale=scale)
    return _expose(photo, plan.visit, chance)


def _layers(plants: Plants) -> Iterator[tuple[float, Plants]]:
    bounds = np.linspace(0, len(plants.outlines), _LAYERS + 1).astype(int)
    for layer, (start, stop) in enumerate(itertools.pairwise(bounds)):
        if stop > start:
            rows = slice(start, stop)
            yield (
                layer / (_LAYERS - 1),
                Plants(
                    plants.outlines[rows],
                    plants.veins[rows],
                    plants.mass_points[rows],
                    plants.point_mass_g[rows],
                ),
            )


def _fill(canvas: Pixels, plants: Plants, paints: NDArray[np.float64], *, vein: float) -> Pixels:
    outlines, veins = _fixed_point(plants.outlines), _fixed_point(plants.veins)
    fills = np.clip(paints, 0, 255).tolist()
    lines = np.clip(paints * vein, 0, 255).tolist()
    for parts, middles, fill, line in zip(outlines, veins, fills, lines, strict=True):
        for part, middle in zip(parts, middles, strict=True):
            cv2.fillPoly(canvas, [part], fill, cv2.LINE_AA, _FRACTION_BITS)
            cv2.polylines(canvas, [middle], False, line, 1, cv2.LINE_AA, _FRACTION_BITS)  # noqa: FBT003 - positional in OpenCV
    return canvas


def _fixed_point(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(points * (1 << _FRACTION_BITS)).astype(np.int32)


def _over(below: Pixels, painted: Pixels, *, scale: float) -> Pixels:
    """Lay a painted layer over the photo, which it shades."""
    change = np.asarray(cv2.absdiff(below, painted), dtype=np.uint8)
    covered = np.uint8(255) * ((change[..., 0] | change[..., 1] | change[..., 2]) > 0)
    reach = max(1, round(5 * scale))
    offset = np.roll(255 - (0.4 * covered).astype(np.uint8), (reach, reach), axis=(0, 1))
    light = cv2.GaussianBlur(offset, (0, 0), 5 * scale)
    shaded = cv2.multiply(below, cv2.merge([light, light, light]), scale=1 / 255)
    return np.asarray(cv2.copyTo(painted, covered, shaded), dtype=np.uint8)


def _soil(visit: Visit, shape_px: tuple[int, int], chance: np.random.Generator) -> Pixels:
    scale = draw_scale(shape_px)
    relief = sum(
        weight * _smooth_noise(shape_px, cell * scale, chance)
        for cell, weight in ((160, 9.0), (40, 7.0), (12, 8.0), (4, 8.0))
    )
    colour = np.array(visit.state.soil) + visit.soil_shift + chance.normal(0, 10)
    grain = chance.standard_normal(shape_px, dtype=np.float32) * 6
    lightness = (relief + grain)[..., None] * np.array([1.0, 0.92, 0.84], dtype=np.float32)
    soil = np.clip(colour.astype(np.float32) + lightness, 0, 255).astype(np.uint8)
    return _stones(soil, colour, scale, chance)


def _stones(
    soil: Pixels, colour: NDArray[np.float64], scale: float, chance: np.random.Generator
) -> Pixels:
    height, width = soil.shape[:2]
    for _ in range(int(chance.integers(20, 90))):
        centre = (int(chance.integers(width)), int(chance.integers(height)))
        size = np.maximum(1, np.rint(scale * chance.gamma(3.0, 1.3, 2))).astype(int)
        tone = np.clip(colour * chance.uniform(0.6, 1.35), 0, 255).tolist()
        turn = float(chance.uniform(0, 180))
        cv2.ellipse(soil, centre, (int(size[0]), int(size[1])), turn, 0, 360, tone, -1, cv2.LINE_AA)
    return soil


def _smooth_noise(
    shape_px: tuple[int, int], cell_px: float, chance: np.random.Generator
) -> NDArray[np.float32]:
    height, width = shape_px
    coarse = chance.standard_normal(
        (int(height / cell_px) + 2, int(width / cell_px) + 2), dtype=np.float32
    )
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def _expose(photo: Pixels, visit: Visit, chance: np.random.Generator) -> Pixels:
    """Light, exposure, white balance, tone curve and sensor noise."""
    shape_px = photo.shape[:2]
    extent = max(shape_px) / 2.5
    light = np.exp(0.1 * _smooth_noise((shape_px[0], shape_px[1]), extent, chance))
    gains = visit.gains * np.exp(chance.normal(0, 0.08) + chance.normal(0, 0.02, 3))
    linear = photo * (light[..., None] * gains.astype(np.float32) / 255)
    toned = np.power(np.clip(linear, 0, 1.5), np.float32(visit.gamma))
    rolled = toned / (1 + 0.12 * toned**4)  # highlights roll off instead of clipping hard
    noise = chance.standard_normal(photo.shape, dtype=np.float32) * np.float32(0.012)
    return np.asarray(np.clip((rolled + noise) * 255, 0, 255), dtype=np.uint8)
