"""`biomass map`: pictures, tables and GeoTIFFs of photos, and whose prediction they divide up."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from rio_cogeo.cogeo import cog_validate

from biomass_pipeline.inference.bundle import save_bundle
from biomass_pipeline_tests.inference.meadow import build_meadow, photo
from biomass_pipeline_tests.rasters import PLACED, TILED, geotiff


@pytest.fixture(scope="module")
def meadow(tmp_path_factory):
    return build_meadow(tmp_path_factory.mktemp("meadow"))


@pytest.fixture(scope="module")
def bundle(meadow, tmp_path_factory):
    """Its headline is the networks' own."""
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    ensemble = replace(meadow.bundle.ensemble, model="mil")
    save_bundle(replace(meadow.bundle, ensemble=ensemble), folder, card="A card.\n")
    return folder


@pytest.fixture
def map_photos(biomass, meadow, bundle):
    """Run `biomass map` with the meadow's bundle and cache."""

    def run(images, *words):
        options = ("--bundle", bundle, "--cache", meadow.cache, "--device", "cpu")
        return biomass("map", images, *options, *words)

    return run


@pytest.fixture
def orthomosaic(tmp_path):
    """Greener to the right, and nothing in a corner."""
    pixels = np.full((60, 90, 3), 90, np.uint8)
    pixels[..., 1] = np.linspace(20, 200, 90)
    pixels[:20, :10] = 0
    path = tmp_path / "ortho.tif"
    path.write_bytes(geotiff(pixels, nodata=0, **PLACED, **TILED))
    return path


def test_a_photo_becomes_a_picture_and_tables(map_photos, biomass, meadow, bundle):
    ended = map_photos(meadow.photos / "a" / "p02.png")
    assert ended.code == 0
    assert "p02, 2 tiles" in ended.flat
    assert "total_g: " in ended.flat
    assert "The map divides up the prediction itself: the networks make it." in ended.flat
    table = pd.read_csv("maps/p02_tiles.csv")
    found = json.loads(Path("maps/p02_tiles.geojson").read_text())
    with Image.open("maps/p02_total_g.png") as image:
        assert image.format == "PNG"
    assert len(table) == len(found["features"]) == 2
    options = ("--bundle", bundle, "--cache", meadow.cache, "-o", "out.csv")
    biomass("predict", meadow.photos / "a" / "p02.png", *options)
    y = pd.read_csv("out.csv").set_index("target")["y_pred"]
    for target, predicted in y.items():
        assert table[target].sum() == pytest.approx(predicted, rel=1e-4)
        assert found["prediction"][target] == pytest.approx(predicted, rel=1e-4)


def test_a_folder_is_mapped_photo_by_photo(map_photos, meadow, tmp_path):
    ended = map_photos(f"{meadow.photos}/*/p0[12].png", "-o", "out", "--target", "cover", "--json")
    assert [each["image_id"] for each in ended.json["photos"]] == ["a/p02", "b/p01"]
    assert all(
        (tmp_path / name).exists() for each in ended.json["photos"] for name in each["files"]
    )
    assert "out/b/p01_cover.png" in ended.json["photos"][1]["files"]


def test_another_model_stands_beside_the_map(map_photos, meadow):
    path = meadow.photos / "a" / "p02.png"
    (told,) = map_photos(path, "--model", "ridge", "--json").json["photos"]
    (scaled,) = map_photos(path, "--model", "ridge", "--scale-to", "prediction", "--json").json[
        "photos"
    ]
    total = told["targets"]["total_g"]
    assert total["mapped"] == pytest.approx(total["network"])
    assert total["mapped"] != pytest.approx(total["predicted"], rel=1e-3)
    assert "by the ridge, which cannot be divided over tiles" in " ".join(told["sentences"])
    for target in told["targets"]:
        found = scaled["targets"][target]
        assert found["mapped"] == pytest.approx(told["targets"][target]["predicted"])
        assert found["network"] == pytest.approx(told["targets"][target]["network"])
    assert "scaled to the prediction" in " ".join(scaled["sentences"])


def test_an_orthomosaic_becomes_a_geotiff(map_photos, orthomosaic):
    ended = map_photos(orthomosaic, "--cell", 8, "--json")
    (told,) = ended.json["photos"]
    assert told["files"][2] == "maps/ortho_map.tif"
    assert cog_validate("maps/ortho_map.tif", strict=True)[0]
    with rasterio.open("maps/ortho_map.tif") as raster:
        assert raster.crs.to_epsg() == 32755
        assert (raster.transform.a, raster.transform.e) == (4.0, -2.0)
        assert raster.descriptions == ("green_g", "dead_g", "total_g", "cover", "valid_share")
        bands = raster.read().astype(float)
    share = bands[-1]
    assert share[0, 0] == 0
    assert share.sum() * 64 == pytest.approx(60 * 90 - 200)
    for band, (target, found) in zip(bands, told["targets"].items(), strict=False):
        # A quadrat of half a square metre: 20 kg a hectare for a gram.
        scale = 1 if target == "cover" else 20
        mean = np.nansum(band * share) / share.sum()
        assert mean == pytest.approx(scale * found["predicted"], rel=1e-4)
    assert told["sentences"][-1].endswith("of dry matter on 650 m².")
    assert "kg DM/ha on average" in told["sentences"][0]
    table = pd.read_csv("maps/ortho_tiles.csv")
    assert {"x", "y"} < set(table.columns)


def test_a_target_that_is_not_predicted_is_named_before_any_work(map_photos):
    ended = map_photos("nowhere", "--target", "totl_g")
    assert ended.code == 2
    assert "do not predict `totl_g`. Did you mean `total_g`? They predict: green_g" in ended.flat


def test_unreadable_photos_are_listed_and_the_code_is_3(map_photos, tmp_path):
    photo(tmp_path / "photos" / "good.png", green=60)
    (tmp_path / "photos" / "bad.jpg").write_text("no photo")
    ended = map_photos("photos")
    assert ended.code == 3
    assert "Not mapped: bad.jpg: not an image" in ended.flat
    assert (tmp_path / "maps" / "good_total_g.png").exists()
    (tmp_path / "photos" / "good.png").unlink()
    told = map_photos("photos", "--json")
    assert (told.code, told.json["photos"]) == (3, [])
