"""Cache rates come from the store itself."""

import numpy as np

from biomass_pipeline.benchmark.caches import ReadyRows, cache_rates, ready_contents


def test_bags_are_written_and_read(plan, tmp_path):
    rates = cache_rates(plan, feature_dim=4, folder=tmp_path, n_bags=3)
    assert (rates.n_bags, rates.n_tiles, rates.feature_dim, rates.dtype) == (3, 15, 4, "float16")
    assert rates.tile_bytes == 8
    assert min(rates.write_bytes_per_s, rates.read_bytes_per_s, rates.random_bytes_per_s) > 0


def test_ready_rows_are_the_rows_asked_for():
    rows = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    ready = ReadyRows(rows)
    (block,) = ready.embed({1: np.array([0, 2])})
    assert block.photo == 1
    assert block.features.tolist() == [[6, 7], [10, 11]]
    assert ready.feature_dim() == 2
    assert ready.notes() == {}


def test_contents_are_of_photos_that_are_nowhere(plan):
    contents = ready_contents(plan, 4)
    assert len(set(contents.image_sha256)) == 4
    assert contents.n_patches == 4 * 15
