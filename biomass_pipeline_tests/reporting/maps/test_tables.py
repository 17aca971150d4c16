"""Tiles as tables and polygons: they add up, and lie where they say."""

import json
from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.reporting.maps.tables import geojson, tile_table
from biomass_pipeline_tests.reporting.maps.conftest import (
    PLACE,
    SIZE_PX,
    UNITS,
    border,
    photo_of,
    tiles_of,
    with_even_tiles,
)


def rings_of(collection):
    return np.array([each["geometry"]["coordinates"][0] for each in collection["features"]])


def signed_area(ring):
    x, y = ring[:-1].T
    return (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize("mask", [None, border()])
def test_rows_add_up_to_the_predictions(mask):
    photo = photo_of(mask=mask)
    table = tile_table(photo)
    for target, unit in UNITS.items():
        assert table[target].sum() == pytest.approx(tiles_of().parts[target].sum())
        if unit == "g":
            mean = table[f"{target}_kg_dm_ha"] @ table["area_weight"]
            assert mean == pytest.approx(20 * table[target].sum())
    assert table["area_weight"].sum() == pytest.approx(1)
    np.testing.assert_allclose(table["total_g"], table["green_g"] + table["dead_g"])
    assert "cover_kg_dm_ha" not in table
    assert "x" not in table


def test_tiles_without_valid_area_have_no_row():
    mask = np.zeros(SIZE_PX, bool)
    mask[:8, :8] = True
    table = tile_table(photo_of(mask=mask))
    assert table["tile"].tolist() == [0, 1, 5, 6]
    assert table["total_g"].sum() == pytest.approx(tiles_of().parts["total_g"].sum())


def test_boxes_end_where_the_photo_does():
    photo = photo_of(with_even_tiles(tiles_of((5, 29))), (5, 29))
    table = tile_table(photo)
    assert table["height_px"].eq(5).all()
    assert (table["col_px"] + table["width_px"]).max() == 29


def test_a_plain_photo_has_polygons_in_pixels():
    photo = photo_of()
    found = json.loads(geojson(photo))
    assert found["type"] == "FeatureCollection"
    assert found["coordinates"].startswith("pixels of the upright photo")
    assert found["crs_of_x_and_y"] is None
    assert rings_of(found)[0].tolist() == [[0, 8], [8, 8], [8, 0], [0, 0], [0, 8]]
    assert found["prediction"]["total_g"] == pytest.approx(tiles_of().parts["total_g"].sum())
    properties = [each["properties"] for each in found["features"]]
    assert sum(each["total_g"] for each in properties) == pytest.approx(
        found["prediction"]["total_g"]
    )


@pytest.mark.parametrize(
    "place",
    [
        PLACE,
        replace(PLACE, transform=(0.0, 0.5, 600_000.0, 0.5, 0.0, 6_000_000.0)),
        replace(PLACE, transform=(0.5, 0.0, 600_000.0, 0.0, 0.5, 6_000_000.0)),
    ],
    ids=["north up", "turned", "south up"],
)
def test_map_coordinates_become_longitude_and_latitude(place):
    photo = photo_of(place=place)
    found = json.loads(geojson(photo))
    assert "WGS 84" in found["coordinates"]
    assert found["crs_of_x_and_y"] == "EPSG:32755"
    rings = rings_of(found)
    assert ((rings[..., 0] > 148) & (rings[..., 0] < 149)).all()
    assert ((rings[..., 1] > -37) & (rings[..., 1] < -36)).all()
    # RFC 7946: outer rings go against the clock.
    assert all(signed_area(ring) > 0 for ring in rings)
    assert all((ring[0] == ring[-1]).all() for ring in rings)
    corner = place.longitude_latitude(np.array([8.0, 8.0]))
    assert np.abs(rings[0] - corner).sum(axis=1).min() < 1e-8


def test_the_middle_of_a_tile_is_in_the_photos_own_coordinates():
    table = tile_table(photo_of(place=PLACE))
    assert (table["x"][0], table["y"][0]) == (600_002.0, 5_999_998.0)
