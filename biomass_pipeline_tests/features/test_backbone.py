import numpy as np

from biomass_pipeline.features.backbone import Backbone, embed_each, usable_cores


class MeanColourBackbone:
    """Embeds a tile as its mean colour: three numbers a test can compute by eye."""

    name = "mean-colour"
    feature_dim = 3
    tile_px = 4
    weights_sha256 = ""
    batch_size = 4
    precision = ""
    identity = {"name": "mean-colour"}  # noqa: RUF012 - as the protocol has it

    def embed(self, tiles):
        return tiles.mean(axis=(1, 2), dtype=np.float32)


def mean_colour(tile):
    return tile.mean(axis=(0, 1), dtype=np.float32)


def test_a_backbone_is_what_it_offers_not_what_it_inherits():
    assert isinstance(MeanColourBackbone(), Backbone)
    assert not isinstance(object(), Backbone)


def test_rows_keep_the_order_of_the_tiles_on_any_number_of_threads():
    tiles = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    for threads in (0, 1, 3, 50):
        rows = embed_each(tiles, mean_colour, feature_dim=3, threads=threads)
        assert rows.dtype == np.float32
        assert rows[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_no_tile_gives_no_row():
    rows = embed_each(np.empty((0, 4, 4, 3), np.uint8), mean_colour, feature_dim=3, threads=2)
    assert rows.shape == (0, 3)


def test_there_is_a_core_to_work_on_even_where_affinity_is_unknown(monkeypatch):
    assert usable_cores() >= 1
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert usable_cores() >= 1
