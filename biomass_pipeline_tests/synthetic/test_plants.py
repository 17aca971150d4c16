import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.synthetic.plants import (
    DEAD_STALKS,
    GREEN_BLADES,
    draw_scale,
    grow_blades,
    grow_clover,
    mass_raster,
)

SHAPE = (200, 400)


def grow(kind, mass_g, shape_px=SHAPE, seed=0):
    chance = np.random.default_rng(seed)
    if kind == "clover":
        return grow_clover(mass_g, shape_px=shape_px, chance=chance)
    style = {"green": GREEN_BLADES, "dead": DEAD_STALKS}[kind]
    return grow_blades(mass_g, style, shape_px=shape_px, chance=chance)


kinds = st.sampled_from(["green", "dead", "clover"])


@settings(max_examples=60)
@given(kind=kinds, mass_g=st.floats(0.05, 80), seed=st.integers(0, 1000))
def test_plants_grow_until_the_mass_is_reached_and_no_further(kind, mass_g, seed):
    grown = grow(kind, mass_g, seed=seed).point_mass_g.sum(axis=1)
    assert grown.sum() >= mass_g
    assert grown[:-1].sum() < mass_g


@given(kind=kinds)
def test_no_mass_is_no_plant(kind):
    assert len(grow(kind, 0.0).outlines) == 0


@settings(max_examples=30)
@given(kind=kinds, mass_g=st.floats(0.1, 50), cell_px=st.integers(1, 90))
def test_the_cells_hold_the_mass_inside_the_photo_at_any_size(kind, mass_g, cell_px):
    plants = grow(kind, mass_g)
    raster = mass_raster(plants, shape_px=SHAPE, cell_px=cell_px)
    assert raster.sum() == pytest.approx(plants.point_mass_g.sum())
    assert raster.shape == (-(-SHAPE[0] // cell_px), -(-SHAPE[1] // cell_px))


@pytest.mark.parametrize("kind", ["green", "dead", "clover"])
def test_mass_is_area_times_density(kind):
    shape = (800, 1600)
    plants = grow(kind, 6.0, shape)
    inside = ((plants.mass_points >= 0) & (plants.mass_points < shape[::-1])).all(axis=(1, 2))
    assert inside.sum() > 5
    density = []
    for parts, mass in zip(plants.outlines[inside], plants.point_mass_g[inside], strict=True):
        area = sum(cv2.contourArea(part.astype(np.float32)) for part in parts)
        density.append(mass.sum() / area * draw_scale(shape) ** 2)
    assert np.ptp(density) / np.mean(density) < 0.02


@pytest.mark.parametrize("kind", ["green", "dead", "clover"])
def test_the_same_mass_covers_the_same_share_at_every_size(kind):
    shares = []
    for shape in ((200, 400), (800, 1600)):
        plants = grow(kind, 8.0, shape)
        area = sum(cv2.contourArea(p.astype(np.float32)) for p in np.concatenate(plants.outlines))
        shares.append(area / (shape[0] * shape[1]))
    assert shares[0] == pytest.approx(shares[1], rel=0.15)
