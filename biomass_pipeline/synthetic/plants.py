"""The shape of plants: outlines to fill and where their mass lies. Geometry only, no paint.

Lengths are those of a photo of 500 x 1000 px and grow with the square root of a photo's pixels, so
the same mass covers the same share of a photo of any size. A point is (column, row), as in OpenCV.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_REFERENCE_PX = 500 * 1000
_SPINE = np.linspace(0, 1, 8)
_LEAFLET = np.linspace(0, 2 * np.pi, 14, endpoint=False)


@dataclass(frozen=True)
class Plants:
    """Plants of one component, in drawing order.

    Attributes:
        outlines: Closed outlines, shape (plant, part, vertex, 2): a blade has 1 part, a trefoil 3.
        veins: Open lines drawn lighter over the parts, shape (plant, part, point, 2).
        mass_points: Where the mass lies, shape (plant, point, 2).
        point_mass_g: Mass at each of them, 0 outside the photo, shape (plant, point).
    """

    outlines: NDArray[np.float64]
    veins: NDArray[np.float64]
    mass_points: NDArray[np.float64]
    point_mass_g: NDArray[np.float64]

    def first(self, count: int) -> "Plants":
        """The first plants only."""
        return Plants(
            self.outlines[:count],
            self.veins[:count],
            self.mass_points[:count],
            self.point_mass_g[:count],
        )


@dataclass(frozen=True)
class BladeStyle:
    """How the blades of a component grow.

    Attributes:
        length_px: Median length.
        width_px: Median width at the base.
        length_sd: Standard deviation of the log length.
        curl: Standard deviation of the bend, as a share of the length.
        tufts: Tufts in a photo.
        tuft_sd_px: Spread of a tuft's roots; large means scattered.
        grams_per_px: Dry mass of a pixel of blade.
    """

    length_px: float
    width_px: float
    length_sd: float
    curl: float
    tufts: int
    tuft_sd_px: float
    grams_per_px: float


DEAD_STALKS = BladeStyle(125, 5.5, 0.35, 0.06, 14, 150, 1.1e-4)
GREEN_BLADES = BladeStyle(105, 8.0, 0.3, 0.2, 22, 42, 1.5e-4)
_CLOVER_GRAMS_PER_PX = 1.1e-4
_CLOVER_RADIUS_PX = 13.0


def draw_scale(shape_px: tuple[int, int]) -> float:
    """Lengths in a photo of (height, width) relative to those of one of 500 x 1000 px."""
    return float(np.sqrt(shape_px[0] * shape_px[1] / _REFERENCE_PX))


def grow_blades(
    mass_g: float, style: BladeStyle, *, shape_px: tuple[int, int], chance: np.random.Generator
) -> Plants:
    """Grow blades until those parts of them inside the photo weigh `mass_g`."""
    scale = draw_scale(shape_px)
    blade_g = 0.6 * style.length_px * style.width_px * style.grams_per_px
    count = _enough(mass_g, blade_g)
    centres = chance.random((style.tufts, 2)) * shape_px[::-1]
    tuft = chance.integers(0, style.tufts, count)
    offset = chance.normal(0, style.tuft_sd_px * scale, (count, 2))
    scattered = chance.random(count) < _SCATTERED
    roots = np.where(
        scattered[:, None], chance.random((count, 2)) * shape_px[::-1], centres[tuft] + offset
    )
    outward = np.arctan2(offset[:, 1], offset[:, 0]) + chance.normal(0, 0.7, count)
    length = scale * style.length_px * np.exp(chance.normal(0, style.length_sd, count))
    width = scale * style.width_px * np.exp(chance.normal(0, 0.25, count))
    bend = chance.normal(0, style.curl, count)
    spine, normal = _spines(_within(roots, shape_px), outward, length, bend)
    half = width[:, None, None] * _taper()[None, :, None] / 2
    outline = np.concatenate([spine + half * normal, (spine - half * normal)[:, ::-1]], axis=1)
    mass = _area_px(outline)[:, None] * _spine_share() * style.grams_per_px / scale**2
    plants = Plants(outline[:, None], spine[:, None, :-1], spine, mass * _inside(spine, shape_px))
    return _reaching(plants, mass_g)


def grow_clover(mass_g: float, *, shape_px: tuple[int, int], chance: np.random.Generator) -> Plants:
    """Grow trefoils until those parts of them inside the photo weigh `mass_g`."""
    scale = draw_scale(shape_px)
    leaf_px = np.pi * _CLOVER_RADIUS_PX**2 * 0.85
    count = _enough(mass_g, 3 * leaf_px * _CLOVER_GRAMS_PER_PX)
    centres = chance.random((10, 2)) * shape_px[::-1]
    near = centres[chance.integers(0, len(centres), count)]
    near = near + chance.normal(0, 70 * scale, (count, 2))
    scattered = chance.random(count) < _SCATTERED
    middle = np.where(scattered[:, None], chance.random((count, 2)) * shape_px[::-1], near)
    radius = scale * _CLOVER_RADIUS_PX * np.exp(chance.normal(0, 0.22, count))
    turn = chance.random(count)[:, None] * 2 * np.pi + 2 * np.pi * np.arange(3)[None] / 3
    turn = turn + chance.normal(0, 0.12, turn.shape)
    axis = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    leaves = _within(middle, shape_px)[:, None] + 1.05 * radius[:, None, None] * axis
    outlines = _leaflets(leaves, axis, radius)
    across = np.stack([-axis[..., 1], axis[..., 0]], axis=-1)
    reach = radius[:, None, None]
    chevron = np.stack(
        [
            leaves + reach * (0.55 * across - 0.15 * axis),
            leaves + reach * 0.25 * axis,
            leaves - reach * (0.55 * across + 0.15 * axis),
        ],
        axis=2,
    )
    mass = _area_px(outlines) * _CLOVER_GRAMS_PER_PX / scale**2
    return _reaching(Plants(outlines, chevron, leaves, mass * _inside(leaves, shape_px)), mass_g)


def mass_raster(plants: Plants, *, shape_px: tuple[int, int], cell_px: int) -> NDArray[np.float64]:
    """Sum the mass into square cells, shape (cell row, cell column)."""
    rows, columns = -(-shape_px[0] // cell_px), -(-shape_px[1] // cell_px)
    raster = np.zeros((rows, columns))
    column, row = (plants.mass_points // cell_px).astype(int).reshape(-1, 2).T
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    np.add.at(raster, (row[inside], column[inside]), plants.point_mass_g.ravel()[inside])
    return raster


_SCATTERED = 0.25  # share of plants that stand outside tufts


def _enough(mass_g: float, plant_g: float) -> int:
    return int(np.ceil(3 * mass_g / plant_g)) + 40 if mass_g > 0 else 0


def _within(points: NDArray[np.float64], shape_px: tuple[int, int]) -> NDArray[np.float64]:
    inside: NDArray[np.float64] = np.mod(points, np.array(shape_px[::-1], dtype=float))
    return inside


def _inside(points: NDArray[np.float64], shape_px: tuple[int, int]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((points >= 0) & (points < shape_px[::-1]), axis=-1)
    return inside


def _taper() -> NDArray[np.float64]:
    return (1 - _SPINE**1.8) * 0.9 + 0.1 * (_SPINE < 1)


def _spine_share() -> NDArray[np.float64]:
    share = _taper()
    share[0] /= 2  # the base has half a segment only
    return np.asarray(share / share.sum())


def _area_px(outlines: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area inside closed outlines, shape (..., vertex, 2), by the shoelace formula."""
    x, y = outlines[..., 0], outlines[..., 1]
    cross = x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)
    return np.asarray(np.abs(cross.sum(axis=-1)) / 2)


def _spines(
    root: NDArray[np.float64],
    heading: NDArray[np.float64],
    length: NDArray[np.float64],
    bend: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    along = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    forward = length[:, None] * _SPINE[None]
    sideways = (length * bend)[:, None] * (2 * _SPINE**2)[None]
    spine = (
        root[:, None] + forward[..., None] * along[:, None] + sideways[..., None] * across[:, None]
    )
    slope = (4 * bend)[:, None] * _SPINE[None]
    normal = across[:, None] - slope[..., None] * along[:, None]
    return spine, normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def _leaflets(
    leaves: NDArray[np.float64], axis: NDArray[np.float64], radius: NDArray[np.float64]
) -> NDArray[np.float64]:
    across = np.stack([-axis[..., 1], axis[..., 0]], axis=-1)
    from_tip = np.pi - np.abs(np.pi - _LEAFLET)
    lengthwise = np.cos(_LEAFLET) - 0.22 * np.exp(-((from_tip / 0.5) ** 2))  # a notch at the tip
    crosswise = 0.92 * np.sin(_LEAFLET)
    reach = radius[:, None, None, None]
    return (
        leaves[:, :, None]
        + reach * lengthwise[:, None] * axis[:, :, None]
        + reach * crosswise[:, None] * across[:, :, None]
    )


def _reaching(plants: Plants, mass_g: float) -> Plants:
    total = np.cumsum(plants.point_mass_g.sum(axis=1))
    return plants.first(int(np.searchsorted(total, mass_g)) + 1 if mass_g > 0 else 0)
