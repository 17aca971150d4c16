import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from biomass_pipeline.errors import TooManyQuarantinedError
from biomass_pipeline.manifest import (
    ImageFolder,
    LabelSheet,
    check_quarantine,
    image_manifest,
    listing_version,
)
from biomass_pipeline_tests.rasters import PLACED, TILED, geotiff, smooth

MAX_PIXELS = 1000
CONTRACT = ["image_id", "path", "sha256", "bytes", "height_px", "width_px"]
CONTRACT += ["status", "reason", "labelled", "warning", "crs", "transform", "valid_fraction"]
CONTRACT += ["perceptual_hash"]


@dataclass
class CountedFolder:
    """A folder that remembers which files were opened."""

    folder: ImageFolder
    opened: list[str] = field(default_factory=list)

    def files(self):
        return self.folder.files()

    def open(self, path):
        self.opened.append(path)
        return self.folder.open(path)

    def opens(self):
        opened, self.opened = sorted(self.opened), []
        return opened


def labels(*rows, groups=()):
    """A sheet of (image_path, mass, date)."""
    table = pd.DataFrame(rows, columns=["image_path", "mass", "date"])
    lines = pd.Series(range(2, 2 + len(rows)))
    return LabelSheet("labels.csv", table, lines, ("mass",), tuple(groups))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    return CountedFolder(ImageFolder("photos", base=tmp_path))


@pytest.fixture
def manifest(folder, tmp_path):
    def make(sheet=None, *, sidecar=tmp_path / "side.parquet", max_pixels=MAX_PIXELS, **limits):
        return image_manifest(
            folder, labels=sheet, sidecar=sidecar, max_pixels=max_pixels, **limits
        )

    return make


def test_each_photo_has_its_row(put, photo, manifest):
    put("photos/b/two.JPG", photo(1, "JPEG"))
    put("photos/a.one.png", photo(2, height=5, width=8))
    table = manifest()
    assert table.columns.tolist() == CONTRACT
    assert table["image_id"].tolist() == ["a.one", "b/two"]
    assert table["path"].tolist() == ["a.one.png", "b/two.JPG"]
    assert table[["height_px", "width_px"]].to_numpy().tolist() == [[5, 8], [6, 9]]
    assert table["bytes"].tolist() == [len(photo(2, height=5, width=8)), len(photo(1, "JPEG"))]
    assert table["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert (table["status"] == "ok").all()
    assert not table["labelled"].any()


def test_place_and_valid_share_are_kept_with_the_photo(put, photo, manifest, folder):
    pixels = smooth(20, 30) | 1
    pixels[:5] = 0
    put("photos/a.png", photo(1))
    put("photos/b.tif", geotiff(pixels, nodata=0, **PLACED))
    put("photos/c.png", b"no photo")
    for _ in range(2):  # seen, and remembered
        table = manifest(stream_above_px=100).set_index("image_id")
        assert table["crs"].tolist() == ["", "EPSG:32755", ""]
        assert table["transform"].tolist() == ["", "0.5 0.0 600000.0 0.0 -0.25 6000000.0", ""]
        assert table["valid_fraction"].tolist() == [1.0, 0.75, 0.0]
        assert table["warning"].tolist() == ["", "nodata shown white", ""]
    assert folder.opens() == ["a.png", "b.tif", "c.png"]


def test_a_photo_of_nothing_is_quarantined(put, manifest):
    put("photos/a.tif", geotiff(np.zeros((9, 9, 3), np.uint8), nodata=0))
    stream = BytesIO()
    Image.new("RGBA", (4, 4), (9, 9, 9, 0)).save(stream, "PNG")
    put("photos/b.png", stream.getvalue())
    table = manifest()
    assert table["reason"].tolist() == ["no valid pixel", "no valid pixel"]
    assert table["height_px"].tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_what_is_wrong_with_a_large_photo_is_said(put, photo, manifest, kind):
    data = photo(1, kind, height=30, width=30)
    if kind == "TIFF":
        data = geotiff(smooth(30, 30), compress="deflate", **TILED)
    put("photos/a.jpg", data[: len(data) - len(data) // 3])
    limits = {"stream_above_px": 100, "max_pixels": 10_000}
    assert manifest(**limits)["reason"].tolist() == ["truncated"]
    if kind in {"PNG", "TIFF"}:  # the others show something for any bits
        middle = len(data) // 2
        put("photos/a.jpg", data[:middle] + bytes(150) + data[middle + 150 :])
        assert manifest(**limits)["reason"].tolist() == ["corrupt"]


def test_a_sidecar_of_an_earlier_inspection_is_made_again(put, photo, manifest, folder, tmp_path):
    put("photos/a.png", photo(1))
    first = manifest()
    earlier = pd.read_parquet(tmp_path / "side.parquet")
    earlier = earlier.drop(columns=["crs", "transform", "valid_fraction"])
    earlier.assign(rule=f"1:{MAX_PIXELS}").to_parquet(tmp_path / "side.parquet")
    pd.testing.assert_frame_equal(manifest(), first)
    assert folder.opens() == ["a.png", "a.png"]


def test_types_are_the_same_without_a_photo(put, photo, manifest):
    empty = manifest(sidecar=None)
    put("photos/a.png", photo())
    assert len(empty) == 0
    assert empty.dtypes.tolist() == manifest(sidecar=None).dtypes.tolist()


def test_what_is_wrong_with_a_photo_is_said(put, photo, manifest):
    put("photos/bomb.png", photo(height=40, width=40))
    put("photos/cut.jpg", photo(kind="JPEG")[:300])
    put("photos/empty.jpg", b"")
    put("photos/gif.jpg", photo(kind="GIF"))
    put("photos/text.png", b"hello")
    table = manifest()
    assert dict(zip(table["image_id"], table["reason"], strict=True)) == {
        "bomb": "decompression bomb: 40 x 40 px is more than 1000",
        "cut": "truncated",
        "empty": "empty file",
        "gif": "format GIF is not supported",
        "text": "not an image",
    }
    assert (table["status"] == "quarantined").all()
    assert (table[["height_px", "width_px"]] == 0).all(axis=None)


def test_a_photo_that_cannot_be_opened_is_tried_again(photo, manifest, folder, tmp_path):
    target = tmp_path / "elsewhere.png"
    (tmp_path / "photos/a.png").symlink_to(target)
    assert manifest()["reason"].tolist() == ["unreadable: No such file or directory"]
    target.write_bytes(photo())
    assert manifest()["status"].tolist() == ["ok"]
    assert folder.opens() == ["a.png", "a.png"]


def test_a_permission_error_is_a_reason(put, photo, tmp_path):
    put("photos/a.png", photo())

    class Locked(CountedFolder):
        def open(self, path):
            raise PermissionError(13, "Permission denied", path)

    locked = Locked(ImageFolder("photos", base=tmp_path))
    table = image_manifest(locked, labels=None, sidecar=None, max_pixels=MAX_PIXELS)
    assert table["reason"].tolist() == ["unreadable: Permission denied"]
    assert listing_version(locked, sidecar=None) == listing_version(locked, sidecar=None)


def test_a_disk_fault_is_not_remembered(put, photo, tmp_path):
    put("photos/a.png", photo())

    class Failing(CountedFolder):
        def open(self, path):
            stream = super().open(path)
            read, stops = stream.read, iter([False, False])

            class Stream:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    stream.close()

                def seek(self, *where):
                    return stream.seek(*where)

                def read(self, n=-1):
                    if next(stops, True):
                        raise OSError(5, "Input/output error")
                    return read(n)

            return Stream()

    failing = Failing(ImageFolder("photos", base=tmp_path))
    sidecar = tmp_path / "side.parquet"
    for _ in range(2):
        table = image_manifest(failing, labels=None, sidecar=sidecar, max_pixels=MAX_PIXELS)
        assert table["reason"].tolist() == ["unreadable: Input/output error"]
    assert failing.opens() == ["a.png", "a.png"]


def test_unchanged_files_are_not_opened_again(put, photo, manifest, folder):
    put("photos/a.png", photo(1))
    put("photos/b.png", photo(2))
    put("photos/c.png", b"no photo")
    first = manifest()
    assert folder.opens() == ["a.png", "b.png", "c.png"]
    pd.testing.assert_frame_equal(manifest(), first)
    assert folder.opens() == []


def test_only_what_changed_is_opened(put, photo, manifest, folder, tmp_path):
    for name in "abc":
        put(f"photos/{name}.png", photo(ord(name)))
    first = manifest()
    folder.opens()
    os.utime(tmp_path / "photos/a.png", ns=(1, 1))
    shutil.move(tmp_path / "photos/b.png", tmp_path / "photos/moved.png")
    second = manifest()
    assert folder.opens() == ["a.png", "moved.png"]
    assert second["sha256"].tolist() == first["sha256"].iloc[[0, 2, 1]].tolist()


def test_a_same_sized_edit_is_seen(put, photo, manifest, tmp_path):
    put("photos/a.png", photo(1))
    stamp = (tmp_path / "photos/a.png").stat().st_mtime_ns
    first = manifest()
    content = bytearray(photo(1))
    content[60] ^= 1
    put("photos/a.png", bytes(content))
    os.utime(tmp_path / "photos/a.png", ns=(stamp + 1, stamp + 1))
    second = manifest()
    assert second["sha256"].tolist() != first["sha256"].tolist()
    assert second["reason"].tolist() == ["corrupt"]


@pytest.mark.parametrize("damage", [b"", b"not parquet", None])
def test_the_sidecar_may_be_lost_at_any_time(put, photo, manifest, folder, tmp_path, damage):
    put("photos/a.png", photo(1))
    first = manifest()
    folder.opens()
    if damage is None:
        (tmp_path / "side.parquet").unlink()
    else:
        (tmp_path / "side.parquet").write_bytes(damage)
    pd.testing.assert_frame_equal(manifest(), first)
    assert folder.opens() == ["a.png"]


def test_a_sidecar_of_other_columns_is_ignored(put, photo, manifest, tmp_path):
    put("photos/a.png", photo(1))
    pd.DataFrame({"path": ["a.png"]}).to_parquet(tmp_path / "side.parquet")
    assert manifest()["status"].tolist() == ["ok"]


def test_without_a_sidecar_nothing_is_written(put, photo, manifest, tmp_path):
    put("photos/a.png", photo(1))
    manifest(sidecar=None)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_another_pixel_limit_inspects_again(put, photo, manifest):
    put("photos/a.png", photo(height=20, width=20))
    assert manifest(max_pixels=100)["reason"].str.startswith("decompression bomb").all()
    assert manifest(max_pixels=400)["status"].tolist() == ["ok"]


def test_forgotten_photos_leave_the_sidecar(put, photo, manifest, tmp_path):
    for name in "ab":
        put(f"photos/{name}.png", photo(ord(name)))
    manifest()
    (tmp_path / "photos/a.png").unlink()
    assert manifest()["path"].tolist() == ["b.png"]
    assert pd.read_parquet(tmp_path / "side.parquet")["path"].tolist() == ["b.png"]


def test_what_was_seen_is_kept_when_a_run_breaks_off(put, photo, folder, tmp_path):
    for name in "ab":
        put(f"photos/{name}.png", photo(ord(name)))

    class Breaking(CountedFolder):
        def open(self, path):
            if path == "b.png":
                raise KeyboardInterrupt
            return super().open(path)

    sidecar = tmp_path / "side.parquet"
    asked = {"labels": None, "sidecar": sidecar, "max_pixels": MAX_PIXELS, "threads": 1}
    with pytest.raises(KeyboardInterrupt):
        image_manifest(Breaking(folder.folder), **asked)
    image_manifest(folder, **asked)
    assert folder.opens() == ["b.png"]


def test_the_listing_version_follows_content_and_names(put, photo, folder, tmp_path):
    sidecar = tmp_path / "side.parquet"
    put("photos/a.png", photo(1))
    first = listing_version(folder, sidecar=sidecar)
    os.utime(tmp_path / "photos/a.png", ns=(1, 1))
    assert listing_version(folder, sidecar=sidecar) == first
    assert folder.opens() == ["a.png", "a.png"]
    shutil.move(tmp_path / "photos/a.png", tmp_path / "photos/b.png")
    renamed = listing_version(folder, sidecar=sidecar)
    put("photos/b.png", photo(2))
    edited = listing_version(folder, sidecar=None)
    assert len({first, renamed, edited}) == 3


def test_listing_and_manifest_share_the_sidecar(put, photo, folder, manifest, tmp_path):
    sidecar = tmp_path / "side.parquet"
    put("photos/a.png", photo(1))
    version = listing_version(folder, sidecar=sidecar)
    assert manifest()["status"].tolist() == ["ok"]
    folder.opens()
    assert listing_version(folder, sidecar=sidecar) == version
    assert manifest()["status"].tolist() == ["ok"]
    assert folder.opens() == []


def test_two_photos_of_one_name_are_quarantined(put, photo, manifest):
    put("photos/a.jpg", photo(1, "JPEG"))
    put("photos/a.png", photo(2))
    put("photos/b.png", photo(3))
    table = manifest()
    assert table["reason"].tolist() == [
        "duplicate id: also a.png",
        "duplicate id: also a.jpg",
        "",
    ]


def test_labelled_photos_are_marked(put, photo, manifest):
    for name in "ab":
        put(f"photos/{name}.png", photo(ord(name)))
    table = manifest(labels(("train/b.png", 1.0, "x")))
    assert table["labelled"].tolist() == [False, True]
    assert (table["status"] == "ok").all()


def test_a_label_without_photo_gets_a_row(put, photo, manifest):
    put("photos/b.png", photo(1))
    sheet = labels(("b.png", 1.0, "x"), ("a.png", 1.0, "x"), ("c.png", 1.0, "x"))
    table = manifest(sheet)
    assert table["path"].tolist() == ["a.png", "b.png", "c.png"]
    assert table["reason"].tolist() == ["label without photo", "", "label without photo"]
    lost = table.iloc[0]
    assert (lost["image_id"], lost["sha256"], lost["bytes"]) == ("a", "", 0)
    assert table["labelled"].all()


def test_equal_photos_with_different_labels_are_quarantined(put, photo, manifest):
    for name in "abc":
        put(f"photos/{name}.png", photo(1))
    put("photos/d.png", photo(2))
    sheet = labels(("a.png", 1.0, "x"), ("b.png", 2.0, "x"), ("d.png", 2.0, "x"))
    table = manifest(sheet)
    assert table["reason"].tolist() == [
        "same bytes as b.png, different labels",
        "same bytes as a.png, different labels",
        "",
        "",
    ]


def test_equal_photos_in_two_groups_are_quarantined(put, photo, manifest):
    for name in "ab":
        put(f"photos/{name}.png", photo(1))
    rows = [("a.png", 1.0, "x"), ("b.png", 1.0, "y")]
    assert (manifest(labels(*rows))["status"] == "ok").all()
    reasons = manifest(labels(*rows, groups=["date"]))["reason"]
    assert reasons.str.endswith("different groups").all()


def test_equal_photos_with_equal_labels_are_kept_with_a_warning(put, photo, manifest):
    for name in "ab":
        put(f"photos/{name}.png", photo(1))
    table = manifest(labels(("a.png", 1.0, "x"), ("b.png", 1.0, "x"), groups=["date"]))
    assert (table["status"] == "ok").all()
    assert table["warning"].tolist() == ["same bytes as b.png", "same bytes as a.png"]


def test_the_limit_counts_every_row(put, photo, manifest):
    for name in "abc":
        put(f"photos/{name}.png", photo(ord(name)))
    put("photos/d.png", b"")
    table = manifest()
    check_quarantine(table, limit=0.25)
    with pytest.raises(
        TooManyQuarantinedError, match=r"(?s)1 of 4 .*20.0%.*max_quarantined.*- empty file: 1"
    ):
        check_quarantine(table, limit=0.2)
    check_quarantine(table.iloc[:0], limit=0.0)


def test_two_runs_at_once_do_not_disturb_each_other(put, photo, folder, tmp_path):
    for name in "abcdef":
        put(f"photos/{name}.png", photo(ord(name)))

    def look(_):
        sidecar = tmp_path / "side.parquet"
        sidecar.unlink(missing_ok=True)
        return listing_version(folder, sidecar=sidecar)

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert len(set(pool.map(look, range(20)))) == 1
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"two\nlines.png"])
def test_a_name_that_cannot_be_written_down_is_quarantined(tmp_path, name):
    (tmp_path / "good.png").write_bytes(b"")
    path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118  # the name is bytes
    with open(path, "wb"):  # noqa: PTH123  # as above
        pass
    folder = ImageFolder(str(tmp_path), base=tmp_path)
    table = image_manifest(folder, labels=None, sidecar=tmp_path / ".s", max_pixels=MAX_PIXELS)
    assert table["reason"].str.startswith("unusable name").sum() == 1
    assert listing_version(folder, sidecar=None)
