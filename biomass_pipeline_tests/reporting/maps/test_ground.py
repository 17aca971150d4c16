"""Pixels on the ground: map coordinates, WGS 84 and true areas."""

import math

import numpy as np
import pytest

from biomass_pipeline.reporting.maps import Georeference, Ground
from biomass_pipeline_tests.reporting.maps.conftest import PLACE


def test_what_the_manifest_says_is_taken_over():
    found = Georeference.read("EPSG:32755", "0.5 0.0 600000.0 0.0 -0.5 6000000.0")
    assert found == PLACE


@pytest.mark.parametrize(("crs", "transform"), [("", "1 0 0 0 1 0"), ("EPSG:32755", ""), ("", "")])
def test_half_a_place_is_none(crs, transform):
    assert Georeference.read(crs, transform) is None


def test_points_go_through_the_transform():
    turned = Georeference("EPSG:32755", (0.0, 2.0, 10.0, 3.0, 0.0, 20.0))
    assert turned.at(np.array([[0.0, 0.0], [1.0, 5.0]])).tolist() == [[10, 20], [20, 23]]


def test_the_central_meridian_is_where_it_is():
    """UTM's false easting of 500 km lies on it: 147 degrees east in zone 55."""
    place = Georeference("EPSG:32755", (1.0, 0.0, 500_000.0, 0.0, -1.0, 6_000_000.0))
    longitude, latitude = place.longitude_latitude(np.zeros((1, 2)))[0]
    assert longitude == pytest.approx(147.0, abs=1e-9)
    assert -37 < latitude < -36


def test_the_area_of_utm_is_true_but_for_its_scale():
    # 600 km easting: 0.9996 times 1 + (100 / 6370)^2 / 2, squared.
    scale = 0.9996 * (1 + (100 / 6370) ** 2 / 2)
    assert PLACE.area_m2(200, 100) == pytest.approx(5000 / scale**2, rel=1e-5)


def test_the_area_of_degrees_is_of_metres():
    """On the equator a degree of longitude is 111.32 km, one of latitude 110.57 km."""
    degrees = Georeference("EPSG:4326", (1e-5, 0.0, 10.0, 0.0, -1e-5, 0.0))
    assert degrees.area_m2(100, 100) == pytest.approx(111.32 * 110.574, rel=1e-3)


def test_the_quadrat_is_the_photo_unless_coordinates_tell():
    assert Ground(0.5).kg_dm_ha == 20
    assert Ground(0.5).share_of_quadrat(25, of_px=100) == 0.25
    assert math.isclose(Ground(0.5, px_area_m2=0.01).share_of_quadrat(25, of_px=100), 0.5)
