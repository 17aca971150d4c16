import os
from pathlib import Path

import fsspec
import pytest

from biomass_pipeline.errors import MissingInputError, UnreadableFolderError
from biomass_pipeline.manifest import ImageFolder


def paths(location, base):
    return [file.path for file in ImageFolder(location, base=base).files()]


@pytest.fixture
def tree(put, tmp_path):
    for name in ("b.PNG", "a.jpg", "sub/c.tiff", "sub/deep/d.webp", "notes.txt", "labels.csv"):
        put(f"photos/{name}", b"x")
    for name in (".hidden.jpg", ".thumbnails/e.jpg"):
        put(f"photos/{name}", b"x")
    return tmp_path


@pytest.fixture
def bucket():
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    for name in ("b.PNG", "a.jpg", "sub/c.tiff", "sub/deep/d.webp", "notes.txt", ".hidden.jpg"):
        files.pipe_file(f"/bucket/photos/{name}", b"x")
    yield files
    files.store.clear()


ALL = ["a.jpg", "b.PNG", "sub/c.tiff", "sub/deep/d.webp"]


def test_a_folder_gives_its_photos_in_path_order(tree):
    assert paths("photos", tree) == ALL
    assert paths(str(tree / "photos") + "/", tree) == ALL
    assert paths(f"file://{tree}/photos", tree) == ALL


@pytest.mark.usefixtures("bucket")
def test_a_remote_folder_gives_the_same(tmp_path):
    assert paths("memory://bucket/photos", tmp_path) == ALL


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("**/*.tiff", ["sub/c.tiff"]),
        ("**/*.jpg", ["a.jpg"]),
        ("sub/*/*", ["deep/d.webp"]),
        ("*", ["a.jpg", "b.PNG", "notes.txt"]),
        ("[bc].*", ["b.PNG"]),
        ("a.jpg", ["a.jpg"]),
    ],
)
def test_a_glob_takes_every_match_below_its_fixed_part(tree, pattern, expected):
    remote = paths(f"memory://bucket/photos/{pattern}", tree)
    local = [path for path in paths(f"photos/{pattern}", tree) if path != "labels.csv"]
    assert local == remote == expected


@pytest.mark.parametrize(("location", "expected"), [("a.jpg", ["a.jpg"]), ("*.PNG", ["b.PNG"])])
def test_a_name_alone_is_looked_for_in_the_current_folder(tree, monkeypatch, location, expected):
    monkeypatch.chdir(tree / "photos")
    assert paths(location, Path()) == expected
    assert ImageFolder(location, base=Path()).read(expected[0]) == b"x"


def test_brackets_in_a_real_name_are_no_pattern(put, tmp_path):
    put("plot [1]/a.jpg", b"x")
    put("plot [1]/b[2].jpg", b"x")
    assert paths("plot [1]", tmp_path) == ["a.jpg", "b[2].jpg"]
    assert paths("plot [1]/b[2].jpg", tmp_path) == ["b[2].jpg"]


def test_files_open_and_read_by_path(tree, bucket):
    bucket.pipe_file("/bucket/photos/a.jpg", b"remote")
    (tree / "photos/a.jpg").write_bytes(b"local")
    assert ImageFolder("memory://bucket/photos", base=tree).read("a.jpg") == b"remote"
    assert ImageFolder("photos", base=tree).read("a.jpg") == b"local"
    with ImageFolder("photos/**/*.jpg", base=tree).open("a.jpg") as stream:
        assert stream.read(3) == b"loc"


@pytest.mark.parametrize("location", ["memory://bucket/photos", "photos"])
def test_a_changed_file_changes_its_stamp_and_no_other(tree, bucket, location):
    folder = ImageFolder(location, base=tree)
    before = {file.path: file for file in folder.files()}
    assert {file.path: file for file in folder.files()} == before
    bucket.pipe_file("/bucket/photos/a.jpg", b"y")
    (tree / "photos/a.jpg").write_bytes(b"y")
    os.utime(tree / "photos/a.jpg", ns=(1, 1))
    after = {file.path: file for file in folder.files()}
    assert [path for path in before if before[path].stamp != after[path].stamp] == ["a.jpg"]


def test_a_listing_that_shows_no_change_gives_no_stamp(bucket, tmp_path):
    class SizesOnly(type(bucket)):
        protocol = "sizes"

        @staticmethod
        def _strip_protocol(path):
            return "/" + path.removeprefix("sizes://").strip("/")

        def info(self, path, **kwargs):
            return {k: v for k, v in super().info(path, **kwargs).items() if k != "created"}

        def find(self, path, maxdepth=None, *, detail=False, **kwargs):
            found = super().find(path, maxdepth, detail=detail, **kwargs)
            return {name: self.info(name) for name in found}

    fsspec.register_implementation("sizes", SizesOnly, clobber=True)
    files = ImageFolder("sizes://bucket/photos", base=tmp_path).files()
    assert {file.stamp for file in files} == {""}


def test_links_are_followed_once_and_dangling_ones_are_kept(put, tmp_path):
    put("elsewhere/c.jpg", b"123")
    put("photos/a.jpg", b"1")
    (tmp_path / "photos/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    files = {file.path: file for file in ImageFolder("photos", base=tmp_path).files()}
    assert list(files) == ["a.jpg", "gone.jpg", "linked/c.jpg"]
    assert files["gone.jpg"].stamp == ""
    assert files["linked/c.jpg"].n_bytes == 3


def test_what_is_no_file_is_no_photo(put, tmp_path):
    put("photos/a.jpg", b"1")
    os.mkfifo(tmp_path / "photos/pipe.jpg")
    assert paths("photos", tmp_path) == ["a.jpg"]


def test_a_link_to_itself_is_one_to_nowhere(put, tmp_path):
    put("photos/a.jpg", b"1")
    (tmp_path / "photos/self.jpg").symlink_to(tmp_path / "photos/self.jpg")
    assert paths("photos", tmp_path) == ["a.jpg", "self.jpg"]


def test_a_pipe_that_takes_the_place_of_a_photo_is_not_waited_for(put, tmp_path):
    photo = put("photos/a.jpg", b"1")
    folder = ImageFolder("photos", base=tmp_path)
    assert folder.read("a.jpg") == b"1"
    photo.unlink()
    os.mkfifo(photo)
    with pytest.raises(OSError, match="not a file"):
        folder.open("a.jpg")


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    "location", ["nowhere", "photos/*.gif", "memory://nowhere", "memory://nowhere/*.jpg"]
)
def test_a_missing_folder_is_named(tree, location):
    with pytest.raises(MissingInputError, match=r"no photo folder at .*`data.images`"):
        ImageFolder(location, base=tree).files()


def test_an_empty_folder_has_no_photos(tmp_path):
    (tmp_path / "photos").mkdir()
    assert paths("photos", tmp_path) == []


def test_a_folder_that_cannot_be_listed_is_named(tree, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UnreadableFolderError, match=r"photos cannot be listed: .*denied.*deep"):
        ImageFolder("photos", base=tree).files()
