"""The GeoTIFF is cloud-optimised, lies where the photo does and adds up to the prediction."""

import json

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rio_cogeo.cogeo import cog_validate

from biomass_pipeline.reporting.maps import Georeference
from biomass_pipeline.reporting.maps.geotiff import geotiff
from biomass_pipeline_tests.reporting.maps.conftest import (
    CELL_PX,
    PLACE,
    SIZE_PX,
    UNITS,
    border,
    photo_of,
    tiles_of,
)
from biomass_pipeline_tests.tiling.test_validity import masks

SCALES = {name: 20 if unit == "g" else 1 for name, unit in UNITS.items()}


@pytest.fixture
def written(placed, tmp_path):
    path = tmp_path / "map.tif"
    path.write_bytes(geotiff(placed))
    return path


def test_it_is_a_valid_cog(written):
    valid, errors, warnings = cog_validate(written, strict=True)
    assert (valid, errors, warnings) == (True, [], [])


def test_a_large_one_has_overviews(tmp_path):
    size_px = (1100, 700)
    photo = photo_of(tiles_of((40, 29)), size_px, cell_px=1, place=PLACE)
    path = tmp_path / "map.tif"
    path.write_bytes(geotiff(photo))
    assert cog_validate(path, strict=True)[0]
    with rasterio.open(path) as raster:
        assert raster.overviews(1)


def test_it_lies_where_the_photo_does(written):
    with rasterio.open(written) as raster:
        assert raster.crs.to_epsg() == 32755
        assert raster.transform == Affine(*PLACE.transform) @ Affine.scale(CELL_PX)
        assert (raster.height, raster.width) == (7, 10)
        assert np.isnan(raster.nodata)


def test_bands_are_named_with_units(written, placed):
    with rasterio.open(written) as raster:
        assert raster.descriptions == (*UNITS, "valid_share")
        assert raster.units == ("kg DM/ha", "kg DM/ha", "kg DM/ha", "share", "1")
        tags = raster.tags()
    assert tags["kind"] == "contribution"
    assert json.loads(tags["prediction"]) == {
        name: pytest.approx(placed.tile_map(name).total) for name in UNITS
    }


def check_sum(data, parts):
    with rasterio.MemoryFile(data) as file, file.open() as raster:
        *bands, share = raster.read().astype(float)
    for (name, scale), band in zip(SCALES.items(), bands, strict=True):
        assert (np.isnan(band) == (share == 0)).all()
        mean = np.nansum(band * share) / share.sum()
        assert mean == pytest.approx(scale * parts[name].sum(), rel=1e-4)
    np.testing.assert_allclose(bands[2], bands[0] + bands[1], rtol=1e-5)


@settings(max_examples=20)  # a file each
@given(mask=masks(), cell_px=st.integers(1, 9))
def test_it_adds_up_to_the_prediction(mask, cell_px):
    tiles = tiles_of(mask.shape)
    photo = photo_of(tiles, mask.shape, mask=mask, cell_px=cell_px, place=PLACE)
    check_sum(geotiff(photo), tiles.parts)


def test_a_turned_photo_gives_a_turned_map(tmp_path):
    place = Georeference("EPSG:32755", (0.3, 0.4, 600_000.0, 0.4, -0.3, 6_000_000.0))
    photo = photo_of(mask=border(), place=place)
    data = geotiff(photo)
    check_sum(data, tiles_of().parts)
    with rasterio.MemoryFile(data) as file, file.open() as raster:
        assert raster.transform == Affine(*place.transform) @ Affine.scale(CELL_PX)


def test_the_mass_on_the_ground_is_the_sum_over_cells(placed):
    with rasterio.MemoryFile(geotiff(placed)) as file, file.open() as raster:
        band, share = (raster.read(name).astype(float) for name in (3, 5))
    kg = np.nansum(band * share) * CELL_PX**2 * placed.ground.px_area_m2 / 1e4
    total_g = placed.tile_map("total_g").total
    assert kg == pytest.approx(total_g / 0.5 * placed.valid_area_m2 / 1e3, rel=1e-6)
    assert placed.valid_area_m2 == pytest.approx(border().sum() * 0.25, rel=1e-3)


def test_a_photo_without_coordinates_has_none(plain):
    with pytest.raises(ValueError, match="without map coordinates"):
        geotiff(plain)


def test_cells_at_the_border_may_be_cut_off():
    with rasterio.MemoryFile(geotiff(photo_of(place=PLACE))) as file, file.open() as raster:
        share = raster.read(5)
    # 20 rows are six cells of three and two rows more; 29 columns nine cells and two columns.
    assert share[0, 0] == 1
    assert share[-1, 0] == pytest.approx(2 / 3)
    assert share[-1, -1] == pytest.approx(4 / 9)
    assert share.sum() == pytest.approx(np.prod(SIZE_PX) / 9, rel=1e-6)
