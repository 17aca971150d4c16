"""All targets on the same tiles: identities hold everywhere, and each lies where it can."""

import numpy as np
import pytest

from biomass_pipeline.reporting.maps.photo_map import cell_px_of
from biomass_pipeline_tests.reporting.maps.conftest import (
    PLACE,
    SIZE_PX,
    border,
    photo_of,
    tiles_of,
)


@pytest.mark.parametrize("mask", [None, border()])
def test_identities_hold_in_every_cell(mask):
    photo = photo_of(mask=mask)
    green, dead, total = (
        photo.raster(name)[0].density for name in ("green_g", "dead_g", "total_g")
    )
    np.testing.assert_allclose(green + dead, total, rtol=1e-9)


def test_grams_become_kilograms_a_hectare_and_others_stay():
    photo = photo_of()
    for name, scale, unit in (("total_g", 20, "kg DM/ha"), ("cover", 1, "share")):
        grid, found = photo.raster(name)
        density, same = photo.densities(name)
        assert found == same == unit
        assert (grid.density * grid.valid_px).sum() / grid.valid_px.sum() == pytest.approx(
            scale * tiles_of().parts[name].sum()
        )
        assert density @ photo.area_weight == pytest.approx(scale * tiles_of().parts[name].sum())


def test_only_a_photo_with_coordinates_has_a_ground():
    assert photo_of().valid_area_m2 is None
    area_m2 = photo_of(place=PLACE).valid_area_m2
    assert area_m2 == pytest.approx(np.prod(SIZE_PX) * 0.25, rel=1e-3)


@pytest.mark.parametrize(
    ("stride_px", "cells", "side"),
    [(400, (0, 518), 100), (8, (0, 8), 2), (7, (0, 7), 7), (400, (0, 126, 252, 518), 126)],
)
def test_cells_are_a_divisor_of_the_stride_or_cells_of_the_tile(stride_px, cells, side):
    assert cell_px_of(stride_px, cells) == side
