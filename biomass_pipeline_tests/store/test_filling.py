"""Rows on disk are found tile by tile and copied while they are intact; refused photos left out."""

from contextlib import suppress

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.errors import TooManyRefusedError
from biomass_pipeline.store import MemoryFeatures, Quarantined
from biomass_pipeline_tests.store.fold import (
    STAMP,
    ByContent,
    final_of,
    fold_of,
    folder_at,
    names,
    write,
)

THREE = (("a", "c1"), ("b", "c2"), ("c", "c3"))


@pytest.fixture(params=["disk", "memory"])
def folder(request, tmp_path):
    return folder_at(tmp_path) if request.param == "disk" else MemoryFeatures()


class Interrupted(ByContent):
    """Stops after some blocks."""

    n_blocks = 0

    def embed(self, wanted):
        for done, block in enumerate(super().embed(wanted)):
            if done == self.n_blocks:
                raise KeyboardInterrupt
            yield block


@settings(max_examples=20)
@given(
    tiles=st.integers(1, 9),
    views=st.integers(1, 3),
    tiles_a_block=st.integers(1, 4),
    stops=st.lists(st.integers(0, 5), min_size=1, max_size=3),
)
def test_an_interrupted_photo_goes_on_at_its_next_tile(
    tmp_path_factory, tiles, views, tiles_a_block, stops
):
    folder = folder_at(tmp_path_factory.mktemp("features"))
    contents = fold_of(*THREE, tiles=tiles, views=views)
    for stop in stops:
        stopped = Interrupted(contents, tiles_a_block=tiles_a_block)
        stopped.n_blocks = stop
        with suppress(KeyboardInterrupt):
            folder.write(0, contents, stamp=STAMP, embedder=stopped, max_refused=0)
    last = ByContent(contents)
    written = folder.write(0, contents, stamp=STAMP, embedder=last, max_refused=0)
    whole = write(MemoryFeatures(), 0, contents)[0].cache.load()
    assert np.array_equal(written.cache.load().features, whole.features)
    assert names(folder.layout.root) == ["fold_0.h5"]


def test_just_the_tiles_that_are_missing_are_asked_for(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(*THREE, tiles=10)
    stopped = Interrupted(contents, tiles_a_block=3)
    stopped.n_blocks = 5
    with pytest.raises(KeyboardInterrupt):
        folder.write(0, contents, stamp=STAMP, embedder=stopped, max_refused=0)
    wanted = {}

    class Noting(ByContent):
        def embed(self, asked):
            wanted.update({photo: tiles.tolist() for photo, tiles in asked.items()})
            return super().embed(asked)

    written = folder.write(0, contents, stamp=STAMP, embedder=Noting(contents), max_refused=0)
    assert wanted == {1: [3, 4, 5, 6, 7, 8, 9], 2: [*range(10)]}
    assert (written.n_embedded, written.n_reused) == (2, 1)


def test_tiles_of_a_photo_that_is_cut_otherwise_are_copied_one_by_one(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, 0, fold_of(("a", "c1"), tiles=4))
    fewer = fold_of(("a", "c1"), tiles=3)
    written, asked = write(folder, 0, fewer)
    assert asked == []
    assert written.cache.load().bag(0).tolist() == [[1, 0], [1, 1], [1, 2]]


def test_a_content_that_is_there_twice_is_found_where_it_is_written(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(("a", "c1"), ("b", "c1"))

    class Backwards(ByContent):
        """Half of the first photo, then all of the second."""

        def embed(self, wanted):
            yield self._block(0, "c1", wanted[0][:1])
            yield self._block(1, "c1", wanted[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write(0, contents, stamp=STAMP, embedder=Backwards(contents), max_refused=0)
    _, asked = write(folder, 0, contents)
    assert asked == []


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = folder_at(tmp_path)
        write(folder, 0, fold_of(*THREE, tiles=3))
        return folder

    @pytest.mark.parametrize(
        ("name", "place"),
        [("features", (4, 0)), ("coords", (4, 0)), ("area_weight", 4), ("row_check", 4)],
    )
    def test_a_damaged_row_is_embedded_again_and_never_copied(self, folder, name, place):
        with h5py.File(final_of(folder), "r+") as file:
            file[name][place] = 7
        embedder = ByContent(fold_of(*THREE, ("d", "c4"), tiles=3))
        written = folder.write(0, embedder.contents, stamp=STAMP, embedder=embedder, max_refused=0)
        assert embedder.asked == ["c2", "c4"]
        assert embedder.n_tiles == 1 + 3
        whole = write(MemoryFeatures(), 0, embedder.contents)[0].cache.load()
        assert np.array_equal(written.cache.load().features, whole.features)

    def test_another_file_gives_what_one_has_lost(self, folder):
        write(folder, 1, fold_of(*THREE, tiles=3))
        with h5py.File(final_of(folder), "r+") as file:
            file["features"][4, 0] = 7
        written, asked = write(folder, 2, fold_of(*THREE, tiles=3))
        assert asked == []
        written.cache.check_whole()

    def test_a_photo_under_another_name_does_not_lend_its_rows(self, folder):
        with h5py.File(final_of(folder), "r+") as file:
            file["image_sha256"][0] = b"c9"
        _, asked = write(folder, 1, fold_of(("x", "c9"), tiles=3))
        assert asked == ["c9"]

    def test_a_file_of_another_width_gives_nothing(self, folder, tmp_path):
        class Wide(ByContent):
            def feature_dim(self):
                return 3

            def _block(self, photo, sha, tiles):
                rows = super()._block(photo, sha, tiles)
                features = np.pad(rows.features, ((0, 0), (0, 1)))
                return type(rows)(photo, tiles, features)

        contents = fold_of(("d", "c4"), tiles=3)
        folder.write(1, contents, stamp=STAMP, embedder=Wide(contents), max_refused=0)
        both = fold_of(*THREE, ("d", "c4"), tiles=3)
        _, asked = write(folder, 0, both)
        assert asked == ["c4"]


class TestRefusals:
    def test_a_refused_photo_is_listed_and_has_no_rows(self, folder):
        contents = fold_of(*THREE, tiles=3)
        written, _ = write(
            folder, 0, contents, max_refused=1, tiles_a_block=2, refuses={"c2": "truncated"}
        )
        expected = (Quarantined("b", "c2", "b.jpg", "truncated"),)
        assert written.quarantined == written.cache.quarantined() == expected
        assert (written.n_embedded, written.n_reused) == (2, 0)
        found = folder.open(0, STAMP.fingerprint).load()
        assert found.image_ids == ("a", "c")
        assert found.bag(1).tolist() == [[3, 0], [3, 1], [3, 2]]
        assert found.coords.tolist() == fold_of(*THREE[:2], tiles=3).coords.tolist()

    def test_the_next_call_tries_it_again(self, folder):
        contents = fold_of(*THREE)
        write(folder, 0, contents, max_refused=1, refuses={"c2": "truncated"})
        again, asked = write(folder, 0, contents, max_refused=1, refuses={"c2": "truncated"})
        assert asked == ["c2"]
        assert (again.n_embedded, again.n_reused) == (0, 2)
        mended, asked = write(folder, 0, contents)
        assert asked == ["c2"]
        assert mended.quarantined == mended.cache.quarantined() == ()
        assert mended.cache.load().image_ids == ("a", "b", "c")

    def test_too_many_are_an_error_that_names_them(self, folder):
        refuses = {"c1": "truncated", "c3": "out of memory"}
        with pytest.raises(
            TooManyRefusedError,
            match=r"(?s)2 of 3 photos .* more than the 1 .*a.jpg: truncated\n.*c.jpg: out of mem",
        ):
            write(folder, 0, fold_of(*THREE), max_refused=1, refuses=refuses)

    def test_all_may_be_refused(self, folder):
        written, _ = write(folder, 0, fold_of(("a", "c1")), max_refused=1, refuses={"c1": "no"})
        assert written.cache.load().image_ids == ()


def test_too_many_refusals_leave_the_old_file_and_what_was_embedded(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, 0, fold_of(("a", "c1")))
    before = final_of(folder).read_bytes()
    with pytest.raises(TooManyRefusedError):
        write(folder, 0, fold_of(*THREE), refuses={"c3": "truncated"})
    assert final_of(folder).read_bytes() == before
    _, asked = write(folder, 0, fold_of(*THREE))
    assert asked == ["c3"]


def test_a_file_that_lacks_only_its_quarantined_photos_is_current(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(*THREE)
    written, _ = write(folder, 0, contents, max_refused=1, refuses={"c2": "truncated"})
    written.cache.check_whole()
    written.cache.check_contents(contents)
    assert names(tmp_path) == ["fold_0.h5"]


def test_nothing_is_asked_of_the_backbone_while_nothing_is_missing(tmp_path):
    folder, contents = folder_at(tmp_path), fold_of(*THREE)
    write(folder, 0, contents)

    class Untouched:
        def __getattr__(self, name):
            raise AssertionError(name)

    moved = fold_of(*THREE[::-1])
    written = folder.write(1, moved, stamp=STAMP, embedder=Untouched(), max_refused=0)
    with h5py.File(written.cache.path) as file:
        assert file.attrs["precision"] == "fp32"
