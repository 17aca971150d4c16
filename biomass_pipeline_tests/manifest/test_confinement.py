"""Nothing outside of the photo folder is read: not by a name, not by a label, not by a link."""

import os
from io import BytesIO
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from biomass_pipeline.manifest import ImageFolder, LabelSheet, image_manifest

SOMEBODY = 54321
# There on every POSIX system, and the administrator's.
ROOTS_OWN = Path("/bin/sh")
OUTSIDE = ["../b.png", "x/../../b.png", "..\\b.png", "..", "/etc/b.png"]


@pytest.fixture
def stranger(monkeypatch):
    """Make links that another user would have made."""
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)

    def link(place, target):
        place.symlink_to(target)
        if os.getuid() == 0:
            os.lchown(place, SOMEBODY, SOMEBODY)

    return link


@pytest.fixture
def outside(put, photo):
    """A photo beside the folder, and one in it."""
    put("photos/a.png", photo())
    return put("b.png", photo(1))


def manifest_of(folder, labels=None):
    table = image_manifest(folder, labels=labels, sidecar=None, max_pixels=1000)
    return table.set_index("path")[["status", "reason"]].T.to_dict("list")


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_the_folder(path, tmp_path):
    with pytest.raises(PermissionError, match="its name leads out of the photo folder"):
        ImageFolder("photos", base=tmp_path).open(path)


def test_a_name_of_dots_is_a_name(put, photo, tmp_path):
    put("photos/a..b/...c.png", photo())
    assert ImageFolder("photos", base=tmp_path).read("a..b/...c.png") == photo()


class Keys(MemoryFileSystem):
    """A store of objects, whose names are any text."""

    protocol = "keys"
    store = {}  # noqa: RUF012  # as fsspec's own
    content = b""

    def find(self, path, maxdepth=None, *, withdirs=False, detail=False, **kwargs):
        del maxdepth, withdirs, detail, kwargs
        facts = {"size": len(self.content), "created": 1, "type": "file"}
        return {f"{path}/{name}": facts for name in ("a.png", "../../b.png")}

    def isdir(self, path):
        return bool(path)

    def _open(self, path, mode="rb", **kwargs):
        del path, mode, kwargs
        return BytesIO(self.content)


def test_an_object_whose_key_leads_out_is_as_hidden_as_one_with_a_dot(photo, tmp_path):
    """Else `map` would name its files by it, beside the folder that it was asked to write to."""
    fsspec.register_implementation("keys", Keys, clobber=True)
    Keys.content = photo()
    assert list(manifest_of(ImageFolder("keys://bucket/photos", base=tmp_path))) == ["a.png"]


def test_a_label_that_leads_out_finds_no_photo(outside, tmp_path):
    asked = ["../b.png", str(outside), "photos/../../b.png", "..\\b.png"]
    table = pd.DataFrame({"image_path": asked, "mass": 1.0})
    sheet = LabelSheet("labels.csv", table, pd.Series(range(2, 6)), ("mass",), ())
    found = manifest_of(ImageFolder("photos", base=tmp_path), sheet)
    assert found.pop("a.png") == ["ok", ""]
    assert len(found) == len(asked)
    assert {status for status, _ in found.values()} == {"quarantined"}
    assert {reason for _, reason in found.values()} == {"label without photo"}


def test_a_strangers_link_to_what_only_we_may_read_is_quarantined(stranger, outside, tmp_path):
    stranger(tmp_path / "photos/secret.png", ROOTS_OWN)
    stranger(tmp_path / "photos/inner.png", tmp_path / "photos/a.png")
    found = manifest_of(ImageFolder("photos", base=tmp_path))
    assert outside.exists()
    assert found["secret.png"][1] == (
        "unreadable: a link of another user that leads out of the photo folder"
    )
    assert found["inner.png"] == ["ok", ""]


@pytest.mark.usefixtures("outside")
def test_a_strangers_link_to_a_folder_is_no_better(stranger, put, photo, tmp_path):
    put("private/c.png", photo())
    if os.getuid() != 0:
        pytest.skip("needs an owner other than the stranger")
    stranger(tmp_path / "photos/linked", tmp_path / "private")
    found = manifest_of(ImageFolder("photos", base=tmp_path))
    assert "another user" in found["linked/c.png"][1]


@pytest.mark.usefixtures("outside")
def test_our_own_links_and_links_to_what_is_the_linkers_own_are_followed(tmp_path):
    (tmp_path / "photos/ours.png").symlink_to(tmp_path / "b.png")
    theirs = tmp_path / "photos/theirs.png"
    theirs.symlink_to(tmp_path / "b.png")
    if os.getuid() == 0:
        os.lchown(theirs, SOMEBODY, SOMEBODY)
        os.chown(tmp_path / "b.png", SOMEBODY, SOMEBODY)
    found = manifest_of(ImageFolder("photos", base=tmp_path))
    assert {status for status, _ in found.values()} == {"ok"}
