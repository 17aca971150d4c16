"""The cache of photos without labels: a part like the folds, whose rows go both ways by content."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder, MemoryFeatures, growing, leftovers
from biomass_pipeline.store.locks import fold_lock, is_locked
from biomass_pipeline_tests.store.fold import STAMP, ByContent, fold_of, folder_at, write

FOLDS = 3


class NoBackbone(ByContent):
    """Fails whoever would build a backbone."""

    def feature_dim(self):
        raise AssertionError("a backbone was built")


@pytest.fixture(params=["disk", "memory"])
def folder(request, tmp_path):
    return FeatureFolder(Layout(tmp_path)) if request.param == "disk" else MemoryFeatures()


def names(folder):
    return [path.name for path in sorted(folder.layout.features(STAMP.fingerprint).glob("[!.]*"))]


def test_a_photo_that_gets_a_label_is_copied_into_its_fold_and_back(folder):
    write(folder, None, fold_of(("a", "c1"), ("b", "c2")))
    _, asked = write(folder, 1, fold_of(("a", "c1")))
    assert asked == []
    written, asked = write(folder, None, fold_of(("b", "c2")))
    assert (asked, written.n_reused) == ([], 1)
    _, asked = write(folder, None, fold_of(("a", "c1"), ("b", "c2")))
    assert asked == []
    assert folder.open(None, STAMP.fingerprint).load().image_ids == ("a", "b")


@settings(max_examples=12)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 9), st.none() | st.integers(0, FOLDS - 1), min_size=3),
        min_size=2,
        max_size=5,
    )
)
def test_each_content_is_embedded_once_however_labels_come_and_go(tmp_path_factory, rounds):
    """A photo may come, get a label or lose it in any round; each rebuilds all parts in turn."""
    folder = FeatureFolder(Layout(tmp_path_factory.mktemp("features")))
    seen, where = [], {}
    for moves in rounds:
        where |= moves
        for fold in (None, *range(FOLDS)):
            photos = [(f"p{k}", f"c{k}") for k in sorted(where) if where[k] == fold]
            if photos or fold is None:
                _, asked = write(folder, fold, fold_of(*photos))
                seen += asked
    assert sorted(seen) == sorted(set(seen))


def test_a_replaced_file_is_kept_until_its_rows_are_elsewhere(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, None, fold_of(("a", "c1"), ("b", "c2")))
    write(folder, None, fold_of(("b", "c2")))
    assert names(folder) == ["inference.1.superseded", "inference.h5"]
    _, asked = write(folder, 0, fold_of(("a", "c1")))
    assert asked == []
    assert names(folder) == ["fold_0.h5", "inference.h5"]


def test_none_at_all_is_a_whole_file_and_builds_no_backbone(folder):
    contents = fold_of()
    for _ in range(2):
        written = folder.write(
            None, contents, stamp=STAMP, embedder=NoBackbone(contents), max_refused=0
        )
        assert (written.n_embedded, written.n_reused, written.quarantined) == (0, 0, ())
    cache = folder.open(None, STAMP.fingerprint)
    features = cache.load()
    assert (features.image_ids, features.offsets.tolist()) == ((), [0])
    assert cache.broken_photos() == ()
    _, asked = write(folder, None, fold_of(("a", "c1")))
    assert asked == ["c1"]


def test_an_empty_file_is_whole_when_it_is_verified(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, None, fold_of())
    cache = folder.open(None, STAMP.fingerprint)
    cache.check_whole()
    cache.check_contents(fold_of())
    assert cache.memory_map().feature_dim == 0


def test_a_killed_call_goes_on_where_it_was(tmp_path):
    folder = folder_at(tmp_path)
    contents = fold_of(("a", "c1"), ("b", "c2"))
    with pytest.raises(KeyboardInterrupt):
        write(folder, None, contents, stop_after=1)
    assert names(folder) == ["inference.h5.partial"]
    _, asked = write(folder, None, contents)
    assert asked == ["c2"]
    assert names(folder) == ["inference.h5"]


def test_refused_photos_are_listed(folder):
    contents = fold_of(("a", "c1"), ("b", "c2"))
    written, _ = write(folder, None, contents, max_refused=1, refuses={"c1": "truncated"})
    assert [(photo.image_id, photo.reason) for photo in written.quarantined] == [("a", "truncated")]
    cache = folder.open(None, STAMP.fingerprint)
    assert cache.load().image_ids == ("b",)
    assert cache.quarantined() == written.quarantined


def test_it_is_held_by_its_one_writer_and_seen_to_grow(tmp_path):
    folder = folder_at(tmp_path)
    final = folder.layout.feature_cache(STAMP.fingerprint, None)
    with pytest.raises(KeyboardInterrupt):
        write(folder, None, fold_of(("a", "c1"), ("b", "c2")), stop_after=1)
    assert growing(folder.layout.extractions) == []
    with fold_lock(final):
        assert is_locked(final)
        (growth,) = growing(folder.layout.extractions)
    assert (growth.fold, growth.n_photos, growth.total_photos) == (None, 1, 2)


def test_pruning_leaves_the_current_file_and_takes_what_lies_beside_it(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, None, fold_of(("a", "c1"), ("b", "c2")))
    write(folder, None, fold_of(("b", "c2")))
    found = leftovers(folder.layout.extractions, current=STAMP.fingerprint, n_folds=1)
    assert [(file.path.name, file.why) for file in found] == [
        ("inference.1.superseded", "replaced")
    ]
    of_others = leftovers(folder.layout.extractions, current="0" * 16, n_folds=1)
    assert {file.path.name for file in of_others} == set(names(folder))
    folder.prune(STAMP.fingerprint)
    assert names(folder) == ["inference.h5"]
