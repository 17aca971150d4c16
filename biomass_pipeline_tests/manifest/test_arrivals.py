"""Arrivals: acted on once, when they settled, and never lost."""

import itertools
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.manifest import (
    Difference,
    ImageFile,
    ImageFolder,
    Settling,
    Sight,
    Watch,
    difference,
    image_manifest,
    listing_digest,
    listing_version,
)

PATIENCE_S = 100.0
looks = st.lists(st.sampled_from("abc"), max_size=40).map(lambda names: [Sight(n) for n in names])


def acted(looks, *, patience_s=PATIENCE_S, every_s=1.0):
    """The numbers of the looks that are acted on, and their run keys."""
    watch, found, keys = Watch(), [], []
    for number, look in enumerate(looks):
        watch, act = watch.after(look, now_s=number * every_s, patience_s=patience_s)
        watch = Watch.from_json(watch.to_json())
        if act:
            found.append(number)
            keys.append(watch.run_key)
    return found, keys


class TestWatch:
    @given(looks=looks, last=st.sampled_from("abc"))
    def test_what_stays_is_always_acted_on_at_last(self, looks, last):
        looks = [*looks, Sight(last), Sight(last)]
        found, _ = acted(looks)
        assert looks[found[-1]] == Sight(last)

    @given(looks=looks)
    def test_nothing_is_acted_on_twice_in_a_row_nor_under_one_name(self, looks):
        found, keys = acted(looks)
        states = [looks[number] for number in found]
        assert all(one != other for one, other in itertools.pairwise(states))
        assert len(set(keys)) == len(keys)

    @given(looks=looks)
    def test_it_is_acted_on_only_when_two_looks_agree_or_patience_is_over(self, looks):
        found, _ = acted(looks)
        assert all(number and looks[number - 1] == looks[number] for number in found)

    def test_a_thousand_arrivals_are_acted_on_once(self):
        growing = [Sight(str(n)) for n in range(50)]
        found, _ = acted([Sight("0"), Sight("0"), *growing, *[growing[-1]] * 10])
        assert len(found) == 2

    def test_what_never_stays_the_same_is_acted_on_when_patience_is_over(self):
        found, _ = acted([Sight(str(n)) for n in range(25)], patience_s=10.0)
        assert found == [10, 21]

    def test_a_clock_that_was_set_back_makes_no_wait_longer(self):
        watch, acts = Watch(), []
        for number in range(12):
            now_s = 1e9 + number if number < 3 else number
            watch, act = watch.after(Sight(str(number)), now_s=now_s, patience_s=8.0)
            acts.append(act)
        # Eight seconds after the clock was set back, at the latest.
        assert [number for number, act in enumerate(acts) if act] == [11]

    def test_going_back_to_an_earlier_state_counts(self):
        a, b = Sight("a"), Sight("b")
        found, keys = acted([a, a, b, b, a, a])
        assert found == [1, 3, 5]
        assert keys == [f"{a.digest}-1", f"{b.digest}-2", f"{a.digest}-3"]

    def test_after_a_blind_look_the_same_state_is_acted_on_once_more(self):
        a = Sight("a")
        watch = Watch(a, None, a, 4).blind()
        assert watch == Watch(counter=4)
        watch, first = watch.after(a, now_s=0, patience_s=PATIENCE_S)
        watch, second = watch.after(a, now_s=1, patience_s=PATIENCE_S)
        assert (first, second, watch.counter) == (False, True, 5)

    @pytest.mark.parametrize("part", ["photos", "labels", "training"])
    def test_each_part_counts(self, part):
        before = Sight("p", "l", "t")
        after = Sight(**{**vars(before), part: "other"})
        assert acted([before, before, after, after])[0] == [1, 3]
        assert before.digest != after.digest

    @pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"last": {"colour": 1}}', '"x"'])
    def test_a_cursor_that_cannot_be_read_is_a_new_beginning(self, text):
        assert Watch.from_json(text) == Watch()

    def test_a_cursor_is_json(self):
        watch = Watch(Sight("a"), 5.0, Sight("b"), 7)
        assert json.loads(watch.to_json())["counter"] == 7
        assert Watch.from_json(watch.to_json()) == watch


FILES = [ImageFile("a.jpg", 1, "s1"), ImageFile("b.jpg", 2, "s2")]


class TestListing:
    def test_the_digest_is_that_of_what_is_whole(self):
        growing = ImageFile("c.jpg", 3, "s3", writing=True)
        assert listing_digest(FILES) == listing_digest([*FILES, growing])
        assert listing_digest(FILES) != listing_digest(FILES[:1])

    @pytest.mark.parametrize(
        "other",
        [ImageFile("B.jpg", 2, "s2"), ImageFile("b.jpg", 3, "s2"), ImageFile("b.jpg", 2, "s3")],
    )
    def test_every_change_of_a_photo_changes_the_digest(self, other):
        assert listing_digest(FILES) != listing_digest([FILES[0], other])

    def test_a_name_that_is_no_text_can_be_hashed(self):
        assert len(listing_digest([ImageFile("caf\udce9.jpg", 1, "s")])) == 16

    def test_the_difference_counts_what_arrived_changed_and_is_gone(self):
        stamps = {"b.jpg": "old", "c.jpg": "s", "d.jpg": "s", "e.jpg": "s"}
        files = [
            *FILES,
            ImageFile("c.jpg", 1, "s"),
            ImageFile("d.jpg", 1, "new", writing=True),
            ImageFile("f.jpg", 1, "s", writing=True),
        ]
        found = difference(files, stamps)
        assert found == Difference(arrived=1, changed=1, gone=1)
        assert found.phrases() == ("1 photo arrived", "1 photo changed", "1 photo is gone")
        assert Difference(3, 0, 2).phrases() == ("3 photos arrived", "2 photos are gone")
        assert Difference().phrases() == ()


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


class TestHoldingBack:
    """What is still being written is neither in the version nor in the manifest."""

    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def look(self, tmp_path, clock):
        """The version and the manifest's paths with their content, with or without settling."""

        def at(*, settle=True):
            settling = Settling(20.0, ".uploading", clock) if settle else None
            folder = ImageFolder("photos", base=tmp_path, settling=settling)
            sidecar = tmp_path / "sidecar.parquet"
            version = listing_version(folder, sidecar=sidecar)
            table = image_manifest(folder, labels=None, sidecar=sidecar, max_pixels=10**6)
            return version, dict(zip(table["path"], table["sha256"], strict=True))

        return at

    @pytest.fixture
    def save(self, put):
        """Write a photo that was last changed at some time."""

        def make(name, content, *, at_s):
            path = put(f"photos/{name}", content)
            os.utime(path, (at_s, at_s))
            return path

        return make

    def test_a_new_photo_is_not_there_until_it_settled(self, look, save, clock, photo):
        save("a.png", photo(1), at_s=0)
        clock.now_s = 100.0
        before = look()
        save("b.png", photo(2)[:40], at_s=100)
        assert look() == before
        save("b.png", photo(2), at_s=110)
        clock.now_s = 129.0
        assert look() == before
        clock.now_s = 131.0
        version, content = look()
        assert version != before[0]
        assert set(content) == {"a.png", "b.png"}

    def test_a_photo_written_anew_is_as_it_was_until_it_settled(self, look, save, clock, photo):
        save("a.png", photo(1), at_s=0)
        clock.now_s = 100.0
        before = look()
        save("a.png", photo(2), at_s=100)
        assert look() == before
        clock.now_s = 121.0
        after = look()
        assert after[0] != before[0]
        assert after[1] != before[1]

    def test_a_marker_holds_back_what_is_new_and_keeps_what_is_known(
        self, look, save, put, clock, photo
    ):
        save("a.png", photo(1), at_s=0)
        clock.now_s = 100.0
        before = look()
        marker = put("photos/.uploading", b"")
        save("b.png", photo(2), at_s=0)
        assert look() == before
        marker.unlink()
        assert set(look()[1]) == {"a.png", "b.png"}

    def test_by_hand_nothing_is_held_back(self, look, save, clock, photo):
        save("a.png", photo(1), at_s=0)
        clock.now_s = 1.0
        assert look()[1] == {}
        assert set(look(settle=False)[1]) == {"a.png"}
        # Known now, and unchanged since.
        assert set(look()[1]) == {"a.png"}

    def test_a_photo_that_was_only_hashed_before_the_marker_came_is_inspected(
        self, save, put, clock, photo, tmp_path
    ):
        save("a.png", photo(1), at_s=0)
        clock.now_s = 100.0
        settling, sidecar = Settling(20.0, ".uploading", clock), tmp_path / "sidecar.parquet"
        folder = ImageFolder("photos", base=tmp_path, settling=settling)
        listing_version(folder, sidecar=sidecar)
        put("photos/.uploading", b"")
        table = image_manifest(folder, labels=None, sidecar=sidecar, max_pixels=10**6)
        assert (list(table["path"]), list(table["height_px"])) == (["a.png"], [6])
