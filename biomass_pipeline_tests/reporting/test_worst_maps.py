import numpy as np
import pandas as pd
import pytest

from biomass_pipeline import mil
from biomass_pipeline.config import Config, DataConfig, TargetConfig
from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.imaging import Thumbnail
from biomass_pipeline.inference import evidence
from biomass_pipeline.inference.evidence import Evidence
from biomass_pipeline.reporting import HeldOut, draw_worst_maps, worst_maps
from biomass_pipeline.reporting.maps import PhotoMap, Tiles
from biomass_pipeline.reporting.worst_maps import painted, scale_stops

CONFIG = Config(
    data=DataConfig(
        targets=(TargetConfig(name="mass"),), identities={}, group_columns=(), quadrat_area_m2=1.0
    )
)
BESIDE = mil.Beside(pd.DataFrame(), None)


class OnePhotoEach:
    """Features of photos that only know their names."""

    def __init__(self, *names):
        self.image_ids = names

    def part(self, start, stop):
        return OnePhotoEach(*self.image_ids[start:stop])


class Reader:
    """Photos of 20 x 40 px in two tiles; one of them is gone."""

    config = CONFIG

    def map_of(self, found, photo, *, row):
        if row["path"] == "gone.jpg":
            raise UnreadableImageError(reason="gone")
        values = found.values(photo)[:, 0]
        tiles = Tiles(found.boxes, {"mass": values}, {"mass": "g"}, "contribution")
        return PhotoMap.of(found.image_ids[0], (20, 40), tiles, quadrat_area_m2=1.0, cell_px=20)

    def picture(self, path, *, max_side_px):
        grey = np.full((20, 40, 3), 128, np.uint8)
        return Thumbnail(grey, np.ones((20, 40), bool))


def evidence_of(networks, features, **_):
    """The network named k finds k times as much on the left tile as on the right one."""
    return Evidence(
        image_ids=features.image_ids,
        offsets=np.array([0, 2]),
        boxes=np.array([[0, 0, 20, 20], [0, 20, 20, 20]]),
        area_weight=np.array([0.5, 0.5]),
        components=np.array([[float(networks[0])], [1.0]]),
        targets=mil.TargetSpec.from_config(CONFIG.data),
        additive=True,
    )


@pytest.fixture
def asked(monkeypatch):
    """Which networks were asked of which photo."""
    seen = []

    def noted(networks, features, **options):
        seen.append((networks[0], features.image_ids[0]))
        return evidence_of(networks, features, **options)

    monkeypatch.setattr(evidence, "evidence_of", noted)
    return seen


def drawn(worst, *, folds=(0, 1), paths=None):
    oof = pd.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "fold": [0, 1, 1],
            "target": "mass",
            "model": "ridge",
            "y_pred": [100.0, 50.0, -1.0],
        }
    )
    manifest = pd.DataFrame({"image_id": list("abc"), "path": paths or ["a.jpg", "b.jpg", "c.jpg"]})
    held_out = {0: (3, OnePhotoEach("a")), 1: (1, OnePhotoEach("b", "c"))}
    return draw_worst_maps(
        worst,
        oof,
        manifest,
        model="ridge",
        folds={
            fold: HeldOut(lambda k=held_out[fold][0]: k, lambda f=held_out[fold][1]: f)
            for fold in folds
        },
        reader=Reader(),
        beside=BESIDE,
    )


def test_each_photo_is_asked_of_the_networks_of_its_own_fold(asked):
    found = drawn(["a", "b"])

    assert asked == [(3, "a"), (1, "b")]
    assert list(found.uris) == ["a", "b"]


def test_the_scale_ends_at_the_largest_density_of_what_was_predicted(asked):
    # 100 g a quadrat of 1 m2, three quarters of it on half of the photo.
    assert drawn(["a"]).top == pytest.approx(150 * 10)
    assert drawn(["a"]).unit == "kg DM/ha"
    assert drawn(["b"]).top == pytest.approx(50 * 10)


def test_nothing_below_zero_is_mapped(asked):
    assert drawn(["c"]).top == 0


def test_a_photo_that_is_gone_or_whose_fold_is_missing_has_no_map(asked):
    assert list(drawn(["a", "b"], paths=["gone.jpg", "b.jpg", "c.jpg"]).uris) == ["b"]
    assert list(drawn(["a", "b"], folds=(0,)).uris) == ["a"]
    assert drawn(["a"], folds=()) == worst_maps.WorstMaps()


def test_more_is_brighter_and_every_cell_has_its_place():
    grey = np.full((10, 20, 3), 128, np.uint8)

    found = painted(grey, np.array([[0.0, 1.0]])).astype(int).sum(axis=2)

    assert (found[:, :10] == found[0, 0]).all()
    assert (found[:, 10:] == found[0, 19]).all()
    assert found[0, 0] < found[0, 19]


def test_the_photo_shines_through():
    photo = np.zeros((4, 4, 3), np.uint8)
    photo[:, 2:] = 255

    found = painted(photo, np.full((1, 1), 0.5)).astype(int)

    assert (found[:, 2:] > found[:, :2]).all()


def test_colours_of_the_scale_are_hexadecimal_and_rise():
    stops = scale_stops()

    light = [sum(bytes.fromhex(stop[1:])) for stop in stops]
    assert light == sorted(light)
