"""What is still being written is told from its time and from markers; everything else is whole."""

import os
from datetime import UTC, datetime, timedelta

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.manifest import ImageFolder, Settling
from biomass_pipeline.manifest.settling import modified_s

NOW_S = 1_700_000_000.0


def settling(settle_s=20.0, marker=".uploading", now_s=NOW_S):
    return Settling(settle_s, marker, clock=lambda: now_s)


def writing(folder, **options):
    """The paths that count as being written, and those that do not."""
    files = ImageFolder("photos", base=folder, settling=settling(**options)).files()
    return (
        [file.path for file in files if file.writing],
        [file.path for file in files if not file.writing],
    )


@pytest.fixture
def old(put, tmp_path):
    """Puts a photo that was changed so many seconds ago."""

    def make(name, age_s=3600.0):
        path = put(f"photos/{name}", b"x")
        os.utime(path, (NOW_S - age_s, NOW_S - age_s))

    return make


@given(age_s=st.floats(-1e9, 1e9), settle_s=st.floats(0, 1e6))
def test_a_file_is_recent_exactly_within_the_settling_time(age_s, settle_s):
    expected = abs(NOW_S - (NOW_S - age_s)) < settle_s
    assert settling(settle_s).is_recent(NOW_S - age_s, now_s=NOW_S) is expected


def test_a_file_without_a_time_is_whole():
    assert not settling().is_recent(None, now_s=NOW_S)


def test_what_changed_just_now_is_being_written(old, tmp_path):
    old("done.jpg", 21)
    old("growing.jpg", 19)
    assert writing(tmp_path) == (["growing.jpg"], ["done.jpg"])


def test_a_camera_with_a_wrong_clock_is_not_waited_for(old, tmp_path):
    old("next_year.jpg", -365 * 86400)
    old("a_little_ahead.jpg", -5)
    assert writing(tmp_path) == (["a_little_ahead.jpg"], ["next_year.jpg"])


def test_without_settling_everything_is_whole(old, tmp_path, put):
    old("a.jpg", 0)
    put("photos/.uploading", b"")
    files = ImageFolder("photos", base=tmp_path).files()
    assert [(file.path, file.writing) for file in files] == [("a.jpg", False)]


def test_a_marker_holds_its_folder_and_what_is_below(old, put, tmp_path):
    for name in ("a.jpg", "north/b.jpg", "north/deep/c.jpg", "northern/d.jpg", "south/e.jpg"):
        old(name)
    marker = put("photos/north/.uploading", b"")
    held = ["north/b.jpg", "north/deep/c.jpg"]
    free = ["a.jpg", "northern/d.jpg", "south/e.jpg"]
    assert writing(tmp_path) == (held, free)
    marker.unlink()
    assert writing(tmp_path) == ([], sorted([*held, *free]))


def test_a_marker_that_is_visible_works_too(old, put, tmp_path):
    old("a.jpg")
    put("photos/UPLOADING.txt", b"")
    assert writing(tmp_path, marker="UPLOADING.txt") == (["a.jpg"], [])


def test_a_remote_folder_is_judged_the_same(tmp_path):
    files = fsspec.filesystem("memory")
    files.store.clear()
    for name in ("a.jpg", "north/b.jpg", "northern/c.jpg", "north/.uploading"):
        files.pipe_file(f"/settling/photos/{name}", b"x")
    soon = (datetime.now(UTC) + timedelta(seconds=5)).timestamp()
    later = (datetime.now(UTC) + timedelta(hours=5)).timestamp()

    def held(now_s):
        folder = ImageFolder(
            "memory://settling/photos", base=tmp_path, settling=settling(now_s=now_s)
        )
        return [file.path for file in folder.files() if file.writing]

    assert held(soon) == ["a.jpg", "north/b.jpg", "northern/c.jpg"]
    assert held(later) == ["north/b.jpg"]
    files.store.clear()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"mtime": 12.5}, 12.5),
        ({"LastModified": datetime.fromtimestamp(12, UTC)}, 12.0),
        ({"updated": "1970-01-01T00:00:12Z"}, 12.0),
        ({"updated": "yesterday"}, None),
        ({"mtime": None, "created": 3}, 3.0),
        ({"mtime": b"?"}, None),
        ({"size": 4}, None),
    ],
)
def test_the_time_of_a_file_is_read_however_its_storage_names_it(facts, expected):
    assert modified_s(facts) == expected
