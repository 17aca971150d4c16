"""The bare backbone embeds what the pipeline embeds, and the pipeline writes a real cache."""

import threading

import numpy as np
import pytest

from biomass_pipeline.benchmark.backbones import FOLD, bare, pipeline
from biomass_pipeline.benchmark.pictures import write_pictures
from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features import build_lanes
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder


class Counting:
    """A backbone that counts tiles and remembers who called."""

    name, identity, feature_dim, precision, weights_sha256 = "counting", {}, 1, "", ""
    tile_px = 2

    def __init__(self, batch_size):
        self.batch_size, self.sizes, self.threads = batch_size, [], set()

    def embed(self, tiles):
        self.sizes.append(len(tiles))
        self.threads.add(threading.get_ident())
        return np.zeros((len(tiles), 1), np.float32)


@pytest.mark.parametrize(("n_lanes", "n_tiles"), [(1, 7), (2, 7), (2, 1), (3, 12)])
def test_lanes_share_the_tiles(n_lanes, n_tiles):
    lanes = [Counting(3) for _ in range(n_lanes)]
    bare(lanes, np.zeros((2, 4, 4, 3), np.uint8), n_tiles=n_tiles)()
    assert sum(sum(lane.sizes) for lane in lanes) == n_tiles
    assert max(max(lane.sizes, default=0) for lane in lanes) <= 3
    assert all(len(lane.threads) <= 1 for lane in lanes)


def test_a_lane_that_fails_fails_the_call():
    class Failing(Counting):
        def embed(self, tiles):
            raise MemoryError

    with pytest.raises(MemoryError):
        bare([Failing(1)], np.zeros((1, 4, 4, 3), np.uint8), n_tiles=2)()


@pytest.fixture
def lanes(plan):
    return build_lanes(
        plan.backbones[0], tile_px=28, devices=["cpu"], batch_size="auto", base=plan.base
    )


def test_each_turn_of_the_pipeline_writes_a_whole_cache(plan, lanes, tmp_path):
    pictures = write_pictures(tmp_path / "photos", [(60, 100), (28, 48)])
    call = pipeline(plan.backbones[0], lanes, plan=plan, pictures=pictures, root=tmp_path)
    call()
    call()
    caches = [
        FeatureFolder(Layout(tmp_path / f"turn_{turn}")).open(FOLD, "benchmark").load()
        for turn in range(2)
    ]
    assert np.array_equal(caches[0].features, caches[1].features)
    assert caches[0].image_ids == ("photo_00000", "photo_00001")
    assert caches[0].offsets.tolist() == [0, 15, 17]
    assert np.isfinite(caches[0].features.astype(float)).all()


def test_cells_and_views_have_rows_of_their_own(plan, tmp_path):
    spec = BackboneConfig(name="colour-texture", views="flips", view_rows="separate")
    lanes = build_lanes(spec, tile_px=28, devices=["cpu"], batch_size="auto", base=plan.base)
    pictures = write_pictures(tmp_path / "photos", [(28, 48)])
    pipeline(spec, lanes, plan=plan, pictures=pictures, root=tmp_path)()
    cache = FeatureFolder(Layout(tmp_path / "turn_0")).open(FOLD, "benchmark").load()
    assert len(cache.features) == 2 * 4


def test_a_photo_that_is_refused_fails_the_measurement(plan, lanes, tmp_path):
    pictures = write_pictures(tmp_path / "photos", [(28, 48)])
    (tmp_path / "photos" / "photo_00000.jpg").write_bytes(b"no photo")
    call = pipeline(plan.backbones[0], lanes, plan=plan, pictures=pictures, root=tmp_path)
    with pytest.raises(BiomassError):
        call()
