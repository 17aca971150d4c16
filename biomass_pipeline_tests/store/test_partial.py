"""Writing rows: in any order, in whole tiles, finite, and readable meanwhile."""

import errno
from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.errors import (
    FeatureRangeError,
    FeatureShapeError,
    UnfinishedCacheError,
    UnwritableCacheError,
)
from biomass_pipeline.store import describe, open_partial
from biomass_pipeline_tests.store.fold import (
    STAMP,
    ByContent,
    Rows,
    final_of,
    fold_of,
    folder_at,
    names,
    write,
)


class Given(ByContent):
    """Gives just these blocks."""

    def __init__(self, contents, *blocks):
        super().__init__(contents)
        self.blocks = blocks

    def embed(self, wanted):
        yield from self.blocks


def put(tmp_path, contents, *blocks, dtype="float16"):
    stamp = replace(STAMP, dtype=dtype)
    embedder = Given(contents, *blocks)
    return folder_at(tmp_path).write(0, contents, stamp=stamp, embedder=embedder, max_refused=0)


def block(photo, tiles, value=1.0, *, step=1):
    return Rows(photo, np.array(tiles), np.full((len(tiles) * step, 2), value, np.float32))


def test_blocks_come_in_any_order_and_of_any_tiles(tmp_path):
    contents = fold_of(("a", "c1"), ("b", "c2"), tiles=3)
    blocks = block(1, [2, 0], 5), block(0, [0, 1], 6), block(1, [1], 7), block(0, [2], 8)
    cache = put(tmp_path, contents, *blocks).cache
    assert cache.load().features[:, 0].tolist() == [6, 6, 8, 5, 7, 5]
    cache.check_whole()


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "a feature that float16 cannot hold"), (1e6, r"\(largest size 1e\+06\)")],
)
def test_a_value_that_cannot_be_stored_names_photo_and_tile(tmp_path, value, words):
    contents = fold_of(("a", "c1"), ("b", "c2"), tiles=3)
    place = r"photo b, tile 2 at row_px 16, col_px 0, "
    with pytest.raises(FeatureRangeError, match=place + ".*" + words):
        put(tmp_path, contents, block(0, [0, 1, 2]), block(1, [1]), block(1, [2, 0], value))
    assert names(tmp_path) == ["fold_0.h5.partial"]


def test_what_float16_cannot_hold_float32_can(tmp_path):
    cache = put(tmp_path, fold_of(("a", "c1")), block(0, [0, 1], 1e6), dtype="float32").cache
    assert cache.load().features[0, 0] == 1e6


def test_the_tile_is_named_where_it_has_many_rows(tmp_path):
    contents = fold_of(("a", "c1"), views=3)
    bad = block(0, [0, 1], step=3)
    bad.features[4] = np.inf
    with pytest.raises(FeatureRangeError, match="photo a, tile 1 at row_px 8"):
        put(tmp_path, contents, bad)


@pytest.mark.parametrize("wrong", [np.zeros((3, 2)), np.zeros((2, 3)), np.zeros(4)])
def test_rows_that_do_not_fit_are_refused(tmp_path, wrong):
    with pytest.raises(FeatureShapeError, match=r"photo a rows of shape .* room for \(2, 2\)"):
        put(tmp_path, fold_of(("a", "c1")), Rows(0, np.arange(2), wrong))


def test_an_engine_that_forgets_tiles_publishes_nothing(tmp_path):
    contents = fold_of(("a", "c1"), ("b", "c2"))
    with pytest.raises(UnfinishedCacheError, match=r"lacks tiles of 1 photo\(s\), b first"):
        put(tmp_path, contents, block(0, [0, 1]), block(1, [1]))
    assert not final_of(folder_at(tmp_path)).exists()
    _, asked = write(folder_at(tmp_path), 0, contents)
    assert asked == ["c2"]


def test_a_reader_may_look_while_the_fold_is_written(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(("a", "c1"), ("b", "c2"))
    partial = final_of(folder).with_suffix(".h5.partial")
    seen, bags = [], []

    class Watched(ByContent):
        def embed(self, wanted):
            for rows in super().embed(wanted):
                yield rows
                seen.append(describe(partial, STAMP.fingerprint)["photos"])
                with open_partial(partial, STAMP.fingerprint) as view:
                    bags.append(view.bag(rows.photo).tolist())

    folder.write(0, contents, stamp=STAMP, embedder=Watched(contents), max_refused=0)
    assert seen == ["1/2", "2/2"]
    assert bags == [[[1, 0], [1, 1]], [[2, 0], [2, 1]]]


def test_a_file_that_gets_no_room_leaves_none_taken(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("biomass_pipeline.store.partial.reserve", full)
    with pytest.raises(UnwritableCacheError, match="no space left"):
        put(tmp_path, fold_of(("a", "c1")))
    assert names(tmp_path) == []
