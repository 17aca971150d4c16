import dataclasses

import numpy as np
import pytest

from biomass_pipeline.synthetic.scene import grow_plants, paint_photo
from biomass_pipeline.synthetic.spec import SyntheticSpec
from biomass_pipeline.synthetic.survey import plan_survey

SHAPE = (100, 200)
PLAN = plan_survey(SyntheticSpec())[0]


def paint(masses, plan=PLAN):
    chance = np.random.default_rng(0)
    plants = grow_plants(np.array(masses, dtype=float), shape_px=SHAPE, chance=chance)
    return paint_photo(plan, plants, shape_px=SHAPE, chance=chance)


def in_even_light(plan):
    """The same photo without exposure, colour cast or tone curve."""
    return dataclasses.replace(
        plan, visit=dataclasses.replace(plan.visit, gains=np.ones(3), gamma=1.0)
    )


def test_a_photo_is_rgb_of_the_shape_asked_for():
    photo = paint((3, 10, 3))
    assert photo.shape == (*SHAPE, 3)
    assert photo.dtype == np.uint8


@pytest.mark.parametrize("component", [1, 2])
def test_more_living_plants_make_a_greener_photo(component):
    def greenness(mass_g):
        masses = np.zeros(3)
        masses[component] = mass_g
        red, green, blue = paint(masses, in_even_light(PLAN)).mean(axis=(0, 1))
        return 2 * green - red - blue

    shades = [greenness(mass_g) for mass_g in (0, 5, 15, 40)]
    assert shades == sorted(shades)


def test_plants_shade_the_soil_beside_them():
    plan = in_even_light(PLAN)
    bare, planted = paint((0, 0, 0), plan).astype(float), paint((0, 12, 0), plan).astype(float)
    red_shift = planted[..., 0].mean() - bare[..., 0].mean()
    assert red_shift < 0
