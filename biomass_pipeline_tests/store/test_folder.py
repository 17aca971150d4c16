"""Laws of the cache folder: by content, once, whole, and nobody else's."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.errors import (
    DamagedCacheError,
    FeatureRangeError,
    MissingCacheError,
    StaleCacheError,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import (
    FeatureFolder,
    FeatureSet,
    FoldContents,
    MemoryFeatures,
    Stamp,
    describe,
    open_cache,
)

STAMP = Stamp("f" * 16, "fake", "", 8, 8, "cls", "last", 0, "float32")


@dataclass
class ByContent:
    """Embeds tile j of a photo with content "c7" as [7, j]; counts what it is asked for."""

    contents: FoldContents
    asked: list[str] = field(default_factory=list)
    stop_after: int | None = None

    def feature_dim(self):
        return 2

    def embed(self, photos):
        for count, index in enumerate(photos):
            if count == self.stop_after:
                raise KeyboardInterrupt
            sha = self.contents.image_sha256[index]
            rows = self.contents.rows(index)
            self.asked.append(sha)
            tiles = np.arange(rows.stop - rows.start)
            yield index, np.stack([np.full(len(tiles), float(sha[1:])), tiles], axis=1)


def fold_of(*photos, tiles=2):
    """Contents of photos given as (image_id, sha256)."""
    rows = [
        (name, sha, f"{name}.jpg", tile, 8 * tile, 0, 1 / tiles)
        for name, sha in photos
        for tile in range(tiles)
    ]
    columns = ["image_id", "image_sha256", "path", "tile", "row_px", "col_px", "area_weight"]
    return FoldContents.from_patch_index(pd.DataFrame(rows, columns=columns))


def write(folder, fold, contents, **options):
    embedder = ByContent(contents, **options)
    written = folder.write(fold, contents, stamp=STAMP, embedder=embedder)
    return written, embedder.asked


@pytest.fixture(params=["disk", "memory"])
def folder(request, tmp_path):
    return FeatureFolder(Layout(tmp_path)) if request.param == "disk" else MemoryFeatures()


def test_bag_i_is_rows_offsets_i_to_offsets_i_plus_1(folder):
    contents = fold_of(("a", "c1"), ("b", "c2"))
    written, _ = write(folder, 0, contents)
    features = written.cache.load()
    assert features.offsets.tolist() == [0, 2, 4]
    assert features.bag(1).tolist() == [[2.0, 0.0], [2.0, 1.0]]
    assert features.image_ids == ("a", "b")
    assert features.area_weight.tolist() == [0.5] * 4
    assert features.feature_dim == 2


def test_known_content_is_copied_whatever_its_name_or_fold(folder):
    write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    written, asked = write(folder, 1, fold_of(("renamed", "c2"), ("new", "c3")))
    assert asked == ["c3"]
    assert (written.n_embedded, written.n_reused) == (1, 1)
    assert written.cache.load().bag(0).tolist() == [[2.0, 0.0], [2.0, 1.0]]


def test_the_same_contents_again_embed_nothing(folder):
    contents = fold_of(("a", "c1"), ("b", "c2"))
    write(folder, 0, contents)
    written, asked = write(folder, 0, contents)
    assert asked == []
    assert written.n_reused == 2


def test_other_tiles_of_the_same_content_are_embedded_anew(folder):
    write(folder, 0, fold_of(("a", "c1"), tiles=2))
    _, asked = write(folder, 0, fold_of(("a", "c1"), tiles=3))
    assert asked == ["c1"]


@settings(max_examples=25)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 9), st.integers(0, 2), min_size=3),
        min_size=2,
        max_size=5,
    )
)
def test_each_content_is_embedded_once_however_photos_move_between_folds(tmp_path_factory, rounds):
    """A photo may come or change fold in any round; every round rebuilds the folds in turn."""
    folder = FeatureFolder(Layout(tmp_path_factory.mktemp("features")))
    seen: list[str] = []
    present: set[int] = set()
    for moves in rounds:
        assignment = dict.fromkeys(present, 0) | moves
        present |= set(assignment)
        for fold in sorted(set(assignment.values())):
            held_out = sorted(k for k, where in assignment.items() if where == fold)
            photos = [(f"p{k}", f"c{k}") for k in held_out]
            _, asked = write(folder, fold, fold_of(*photos))
            seen += asked
    assert sorted(seen) == sorted(set(seen))


def test_a_replaced_file_is_kept_until_its_rows_are_elsewhere(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    write(folder, 0, fold_of(("a", "c1")))
    names = {path.name for path in tmp_path.rglob("fold_*")}
    assert names == {"fold_0.h5", "fold_0.1.superseded"}
    _, asked = write(folder, 1, fold_of(("b", "c2")))
    assert asked == []
    assert {path.name for path in tmp_path.rglob("fold_*")} == {"fold_0.h5", "fold_1.h5"}


def test_pruning_leaves_the_folds_only(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    write(folder, 0, fold_of(("a", "c1")))
    folder.prune(STAMP.fingerprint)
    assert [path.name for path in tmp_path.rglob("fold_*")] == ["fold_0.h5"]


@pytest.mark.parametrize("done", [0, 1, 2])
def test_an_interrupted_fold_goes_on_where_it_was(tmp_path, done):
    folder = FeatureFolder(Layout(tmp_path))
    contents = fold_of(("a", "c1"), ("b", "c2"), ("c", "c3"))
    with pytest.raises(KeyboardInterrupt):
        write(folder, 0, contents, stop_after=done)
    with pytest.raises(MissingCacheError, match="There is no feature cache"):
        folder.open(0, STAMP.fingerprint)
    written, asked = write(folder, 0, contents)
    assert asked == ["c1", "c2", "c3"][done:]
    assert written.cache.load().bag(2).tolist() == [[3.0, 0.0], [3.0, 1.0]]
    assert [path.name for path in tmp_path.rglob("fold_*")] == ["fold_0.h5"]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path}
from biomass_pipeline_tests.store.test_folder import STAMP, ByContent, fold_of
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder

class Mortal(ByContent):
    def embed(self, photos):
        for count, row in enumerate(super().embed(photos)):
            if count == {done}:
                os.kill(os.getpid(), signal.SIGKILL)
            yield row

contents = fold_of(("a", "c1"), ("b", "c2"), ("c", "c3"), tiles=500)
FeatureFolder(Layout(Path("."))).write(0, contents, stamp=STAMP, embedder=Mortal(contents))
"""


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_killed_writer_loses_nothing_that_was_complete(tmp_path, done):
    code = KILLED.format(path=sys.path, done=done)
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    folder = FeatureFolder(Layout(tmp_path))
    contents = fold_of(("a", "c1"), ("b", "c2"), ("c", "c3"), tiles=500)
    written, asked = write(folder, 0, contents)
    assert asked == ["c1", "c2", "c3"][done:]
    assert written.cache.load().bag(2)[499].tolist() == [3.0, 499.0]
    assert [path.name for path in tmp_path.rglob("fold_*")] == ["fold_0.h5"]


def test_rows_survive_a_rebuild_byte_for_byte(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    before = write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))[0].cache.load()
    after = write(folder, 0, fold_of(("a", "c1"), ("n", "c5"), ("b", "c2")))[0].cache.load()
    assert after.bag(0).tobytes() == before.bag(0).tobytes()
    assert after.bag(2).tobytes() == before.bag(1).tobytes()


def test_the_file_has_the_layout_that_others_read(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    stamp = replace(STAMP, dtype="float16", weights_sha256="ab")
    contents = fold_of(("a", "c1"))
    cache = folder.write(0, contents, stamp=stamp, embedder=ByContent(contents)).cache
    with h5py.File(cache.path) as file:
        assert file["features"].dtype == np.float16
        assert file["features"].chunks is None
        assert file["features"].compression is None
        assert file["coords"].dtype == np.int32
        assert file["area_weight"].dtype == np.float32
        assert file["offsets"].dtype == np.int64
        assert file["image_id"].asstr()[0] == "a"
        assert file["image_sha256"].asstr()[0] == "c1"
        assert dict(file.attrs).keys() == {
            "schema_version",
            "extraction_fingerprint",
            "backbone",
            "weights_sha256",
            "tile_px",
            "stride_px",
            "tokens",
            "layers",
            "feature_dim",
            "package_version",
        }
    assert cache.stamp() == replace(stamp, feature_dim=2)


def test_the_memory_map_and_single_bags_agree_with_the_loaded_whole(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    cache = write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))[0].cache
    loaded, mapped = cache.load(), cache.memory_map()
    assert isinstance(mapped.features, np.memmap)
    assert np.array_equal(mapped.features, loaded.features)
    assert np.array_equal(cache.bag(1), loaded.bag(1))


def test_a_reader_may_look_while_the_fold_is_written(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    contents = fold_of(("a", "c1"), ("b", "c2"))
    partial = folder.layout.feature_cache(STAMP.fingerprint, 0).with_suffix(".h5.partial")
    seen = []

    class Watched(ByContent):
        def embed(self, photos):
            for index, features in super().embed(photos):
                yield index, features
                seen.append(describe(partial, STAMP.fingerprint)["photos"])

    folder.write(0, contents, stamp=STAMP, embedder=Watched(contents))
    assert seen == ["1/2", "2/2"]


def test_a_stranger_is_refused_by_name(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    cache = write(folder, 0, fold_of(("a", "c1")))[0].cache
    with pytest.raises(StaleCacheError, match=f"extraction {'f' * 16}, but other was asked for"):
        open_cache(cache.path, "other")


def test_a_stranger_in_the_folder_gives_no_rows(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    cache = write(folder, 0, fold_of(("a", "c1")))[0].cache
    with h5py.File(cache.path, "r+") as file:
        file.attrs["extraction_fingerprint"] = "other"
    _, asked = write(folder, 0, fold_of(("a", "c1")))
    assert asked == ["c1"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "a feature that float16 cannot hold"), (1e6, "largest size 1e\\+06")],
)
def test_a_value_that_cannot_be_stored_names_the_photo(tmp_path, value, words):
    contents = fold_of(("a", "c1"))

    class Broken(ByContent):
        def embed(self, photos):
            for index in photos:
                yield index, np.full((2, 2), value)

    stamp = replace(STAMP, dtype="float16")
    with pytest.raises(FeatureRangeError, match=f"photo a .*{words}|{words}"):
        FeatureFolder(Layout(tmp_path)).write(0, contents, stamp=stamp, embedder=Broken(contents))


class TestDamage:
    @pytest.fixture
    def cache(self, tmp_path):
        return write(FeatureFolder(Layout(tmp_path)), 0, fold_of(("a", "c1"), ("b", "c2")))[0].cache

    def test_a_whole_file_passes(self, cache):
        cache.check_whole()
        cache.check_contents(fold_of(("a", "c1"), ("b", "c2")))

    def test_a_file_that_is_not_hdf5(self, cache):
        Path(cache.path).write_bytes(b"rubbish")
        with pytest.raises(DamagedCacheError, match="HDF5 cannot open it"):
            cache.load()

    def test_an_unknown_schema(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file.attrs["schema_version"] = 99
        with pytest.raises(DamagedCacheError, match="schema version 99, not 1"):
            cache.load()

    def test_an_incomplete_photo(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["complete"][1] = 0
        with pytest.raises(DamagedCacheError, match="1 photos are incomplete"):
            cache.check_whole()
        with pytest.raises(DamagedCacheError, match="some photos are incomplete"):
            open_cache(cache.path, STAMP.fingerprint)

    def test_a_feature_that_is_not_finite(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["features"][3, 0] = np.nan
        with pytest.raises(DamagedCacheError, match="rows 2 to 4 are not finite"):
            cache.check_whole()

    def test_offsets_that_miss_rows(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["offsets"][2] = 3
        with pytest.raises(DamagedCacheError, match="offsets do not cover"):
            cache.check_whole()

    @pytest.mark.parametrize(
        ("contents", "words"),
        [
            (fold_of(("a", "c1")), "image_ids are not those"),
            (fold_of(("a", "c1"), ("b", "c9")), "image_sha256 are not those"),
        ],
    )
    def test_other_photos(self, cache, contents, words):
        with pytest.raises(DamagedCacheError, match=words):
            cache.check_contents(contents)

    def test_other_tiles(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["coords"][0, 0] = 99
        with pytest.raises(DamagedCacheError, match="tiles are not those"):
            cache.check_contents(fold_of(("a", "c1"), ("b", "c2")))

    def test_a_damaged_fold_is_written_anew(self, cache, tmp_path):
        Path(cache.path).write_bytes(b"rubbish")
        _, asked = write(FeatureFolder(Layout(tmp_path)), 0, fold_of(("a", "c1"), ("b", "c2")))
        assert asked == ["c1", "c2"]

    def test_a_file_made_elsewhere_without_completion_is_whole(self, cache):
        with h5py.File(cache.path, "r+") as file:
            del file["complete"]
        cache.check_whole()
        assert open_cache(cache.path, STAMP.fingerprint).load().image_ids == ("a", "b")


def test_an_unwritten_fold_is_missing(folder):
    with pytest.raises(MissingCacheError, match="There is no feature cache"):
        folder.open(3, STAMP.fingerprint)


def test_pruning_memory_leaves_its_folds():
    folder = MemoryFeatures()
    write(folder, 0, fold_of(("a", "c1")))
    folder.prune(STAMP.fingerprint)
    assert folder.open(0, STAMP.fingerprint).load().image_ids == ("a",)


@given(st.permutations([("a", "c3"), ("b", "c1"), ("c", "c2")]))
def test_content_order_forgets_the_order_of_names_and_folds(photos):
    written, _ = write(MemoryFeatures(), 0, fold_of(*photos))
    features = written.cache.load().in_content_order()
    assert features.image_sha256 == ("c1", "c2", "c3")
    assert features.image_ids == ("b", "c", "a")
    assert [features.bag(i)[0, 0] for i in range(3)] == [1, 2, 3]
    assert features.offsets.tolist() == [0, 2, 4, 6]


def test_concatenation_keeps_every_bag():
    parts = [
        write(MemoryFeatures(), 0, fold_of(("a", "c1")))[0].cache.load(),
        write(MemoryFeatures(), 0, fold_of(("b", "c2"), ("c", "c3"), tiles=3))[0].cache.load(),
    ]
    joined = FeatureSet.concatenate(parts)
    assert joined.image_ids == ("a", "b", "c")
    assert joined.offsets.tolist() == [0, 2, 5, 8]
    assert joined.bag(2).tolist() == parts[1].bag(1).tolist()
