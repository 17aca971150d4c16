"""Nobody takes a map for more than it is."""

from dataclasses import replace

import pytest

from biomass_pipeline.inference.evidence import Claim
from biomass_pipeline.reporting.maps.wording import sentences
from biomass_pipeline_tests.reporting.maps.conftest import (
    PLACE,
    photo_of,
    tiles_of,
    with_even_tiles,
)


def said(photo, *, network=None, predicted=7.0, models=("ridge",), target="total_g"):
    total = photo.tile_map(target).total
    return sentences(photo, target, Claim(total if network is None else network, predicted, models))


def test_the_networks_own_prediction_is_called_so():
    found = said(photo_of(), models=("mil",))
    assert found[0].startswith("total_g: ")
    assert found[1:] == ["The map divides up the prediction itself: the networks make it."]


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (("ridge",), "the ridge"),
        (("mil", "ridge"), "the networks and the ridge"),
        (("stack",), "the stack of network and ridge"),
    ],
)
def test_another_models_prediction_stands_beside_the_map(models, names):
    photo = photo_of()
    _, sentence = said(photo, models=models)
    assert "The map divides up what the networks predict, " in sentence
    assert f"the prediction that is reported is 7.00 g, by {names}, which cannot" in sentence


def test_a_scaled_map_says_so():
    photo = photo_of()
    _, sentence = said(photo, network=2.0, predicted=photo.tile_map("total_g").total)
    assert "find it, 2.00 g in all, scaled to the prediction that is reported: " in sentence


def test_an_even_map_says_that_it_tells_nothing():
    tiles = tiles_of()
    assert "so the map tells nothing of places" not in " ".join(said(photo_of(tiles)))
    weight = photo_of(tiles).area_weight
    even = with_even_tiles(tiles)
    for name in even.parts:
        even.parts[name][:] = weight
    assert "All tiles are alike to these networks, so the map" in " ".join(said(photo_of(even)))
    single = photo_of(tiles_of((8, 8)), (8, 8))
    assert "The photo is one tile, so the map tells nothing of places." in said(single)


def test_an_orthomosaic_has_a_mass_and_an_area():
    photo = photo_of(place=PLACE)
    total = photo.tile_map("total_g").total
    # 20 x 29 pixels of a quarter square metre; a quadrat is half of one.
    kg = total * 145 / 0.5 / 1000
    *_, last = said(photo)
    assert last == f"In all {kg:.2f} kg of dry matter on 145 m²."
    assert len(said(photo, target="cover")) == 2


def test_a_large_one_has_hectares_and_tonnes_and_speaks_of_them():
    place = replace(PLACE, transform=(50.0, 0.0, 600_000.0, 0.0, -50.0, 6_000_000.0))
    photo = photo_of(place=place)
    _, sentence, last = said(photo, predicted=0.5)
    assert "reported is 10.0 kg DM/ha, by the ridge" in sentence
    assert last.endswith(" t of dry matter on 145 ha.")
