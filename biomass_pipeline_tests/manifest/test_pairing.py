import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.manifest.pairing import NO_PHOTO, pair

names = st.text("abc", min_size=1, max_size=3)
paths = st.lists(
    st.lists(names, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".jpg"),
    unique=True,
    max_size=12,
)


@given(paths)
def test_a_path_is_its_own_photo(photos):
    assert pair(photos, photos) == (list(range(len(photos))), {})


@given(paths, names)
def test_a_folder_in_front_of_all_labels_does_not_matter(photos, folder):
    labels = [f"{folder}/{path}" for path in photos]
    assert pair(labels, photos) == (list(range(len(photos))), {})


@given(paths)
def test_no_photo_is_given_to_two_labels_in_silence(photos):
    found, problems = pair([path.rpartition("/")[2] for path in photos], photos)
    matched = [m for i, m in enumerate(found) if m != NO_PHOTO and i not in problems]
    assert len(set(matched)) == len(matched)


@pytest.mark.parametrize(
    ("label", "photo"),
    [
        ("train/ID1.jpg", "ID1.jpg"),
        ("ID1.jpg", "train/ID1.jpg"),
        ("./ID1.jpg", "ID1.jpg"),
        ("C:\\photos\\ID1.jpg", "ID1.jpg"),
        ("/data/photos/train/ID1.jpg", "train/ID1.jpg"),
        ("a/ID1.jpg", "b/ID1.jpg"),
        ("ID1", "ID1.jpg"),
        ("train/ID1", "ID1.JPG"),
        ("ID1", "train/ID1.jpg"),
        ("plot.1", "plot.1.png"),
    ],
)
def test_a_label_finds_its_photo(label, photo):
    assert pair([label], ["other.jpg", photo]) == ([1], {})


def test_a_photo_elsewhere_of_the_same_name_is_no_stand_in():
    labels = ["plotA/1.jpg", "plotB/1.jpg"]
    assert pair(labels, ["plotB/1.jpg", "plotC/1.jpg"]) == ([NO_PHOTO, 0], {})


def test_an_ambiguous_label_is_named():
    found, problems = pair(["1.jpg", "2.jpg"], ["a/1.jpg", "b/1.jpg", "2.jpg"])
    assert found == [NO_PHOTO, 2]
    assert problems == {0: "`1.jpg` could be any of 2 photos: `a/1.jpg`, `b/1.jpg`"}


def test_two_labels_of_one_photo_are_named():
    _, problems = pair(["b/1.jpg", "a/b/1.jpg"], ["a/b/1.jpg"])
    assert problems == {1: "`b/1.jpg` and `a/b/1.jpg` are both the photo `a/b/1.jpg`"}


def test_without_labels_there_is_nothing_to_find():
    assert pair([], ["a.jpg"]) == ([], {})
