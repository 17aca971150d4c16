"""Laws of the cache folder: by content, once, whole, and nobody else's."""

import errno
import os

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.errors import (
    MissingCacheError,
    StaleCacheError,
    UnreadableCacheError,
    UnwritableCacheError,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import (
    FeatureFolder,
    MemoryFeatures,
    open_cache,
)
from biomass_pipeline.store.locks import fold_lock
from biomass_pipeline_tests.store.fold import STAMP, final_of, fold_of, folder_at, names, write


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


@settings(max_examples=12)
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


def test_rows_survive_a_rebuild_byte_for_byte(tmp_path):
    folder = FeatureFolder(Layout(tmp_path))
    before = write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))[0].cache.load()
    after = write(folder, 0, fold_of(("a", "c1"), ("n", "c5"), ("b", "c2")))[0].cache.load()
    assert after.bag(0).tobytes() == before.bag(0).tobytes()
    assert after.bag(2).tobytes() == before.bag(1).tobytes()


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


def test_an_unwritten_fold_is_missing(folder):
    with pytest.raises(MissingCacheError, match="There is no feature cache"):
        folder.open(3, STAMP.fingerprint)


def test_pruning_memory_leaves_its_folds():
    folder = MemoryFeatures()
    write(folder, 0, fold_of(("a", "c1")))
    folder.prune(STAMP.fingerprint)
    assert folder.open(0, STAMP.fingerprint).load().image_ids == ("a",)


def test_what_a_killed_call_had_no_time_to_drop_goes_with_the_next(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(("a", "c1"))
    write(folder, 0, contents)
    final = final_of(folder)
    final.with_name("fold_0.1.interrupted").write_bytes(final.read_bytes())
    write(folder, 0, contents)
    assert names(tmp_path) == ["fold_0.h5"]


def no_links(number):
    def refuses(*_):
        raise OSError(number, os.strerror(number))

    return refuses


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_where_files_have_one_name_the_replaced_one_is_copied(tmp_path, monkeypatch, number):
    folder = folder_at(tmp_path)
    write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    before = final_of(folder).read_bytes()
    monkeypatch.setattr(os, "link", no_links(number))
    write(folder, 0, fold_of(("a", "c1")))
    assert final_of(folder).with_name("fold_0.1.superseded").read_bytes() == before
    _, asked = write(folder, 1, fold_of(("b", "c2")))
    assert asked == []


def test_a_copy_that_ends_halfway_is_not_kept(tmp_path, monkeypatch):
    def halfway(_, kept):
        kept.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "full")

    folder = folder_at(tmp_path)
    write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    monkeypatch.setattr(os, "link", no_links(errno.EPERM))
    monkeypatch.setattr("shutil.copyfile", halfway)
    with pytest.raises(UnwritableCacheError, match="no space left"):
        write(folder, 0, fold_of(("a", "c1")))
    assert names(tmp_path) == ["fold_0.h5", "fold_0.h5.partial"]
    assert folder.open(0, STAMP.fingerprint).load().image_ids == ("a", "b")


def test_spare_files_of_a_fold_that_is_being_written_stay(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(("a", "c1"))
    write(folder, 0, contents)
    spare = final_of(folder).with_name("fold_1.1.interrupted")
    spare.write_bytes(final_of(folder).read_bytes())
    with fold_lock(final_of(folder, 1)):
        write(folder, 0, contents)
        folder.prune(STAMP.fingerprint)
        assert spare.exists()
    write(folder, 0, contents)
    assert names(tmp_path) == ["fold_0.h5"]


def test_a_folder_in_a_files_place_stops_its_own_fold_only(tmp_path):
    folder = folder_at(tmp_path)
    final_of(folder).mkdir(parents=True)
    with pytest.raises(UnreadableCacheError, match="is a directory"):
        write(folder, 0, fold_of(("a", "c1")))
    _, asked = write(folder, 1, fold_of(("a", "c1")))
    assert asked == ["c1"]


def test_a_file_out_of_the_way_comes_back_unless_it_was_replaced(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    with folder.out_of_the_way(0, STAMP.fingerprint):
        assert names(tmp_path) == ["fold_0.1.superseded"]
    assert names(tmp_path) == ["fold_0.h5"]
    with folder.out_of_the_way(0, STAMP.fingerprint):
        _, asked = write(folder, 0, fold_of(("a", "c1"), ("b", "c2"), ("c", "c3")))
    assert asked == ["c3"]
    assert names(tmp_path) == ["fold_0.h5"]
