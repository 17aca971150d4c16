"""A bundle's folder is written all or none, and only ever replaces a bundle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from biomass_pipeline.errors import FileInTheWayError, OccupiedFolderError
from biomass_pipeline.inference import bundle_files
from biomass_pipeline.inference.bundle_files import packed, unpacked, write_folder

FILES = {"bundle.json": b"{}", "fold_0.safetensors": b"x", "MODEL_CARD.md": b"# Card"}
KINDS = st.sampled_from(["float64", "float32", "int64", "bool"])


@given(
    values=KINDS.flatmap(
        lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    order=st.sampled_from("CF"),
)
def test_arrays_come_back_as_they_were(values, order):
    values = np.array(values, order=order)
    back = unpacked(packed({"a": values}), "file")["a"]
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    assert back.tobytes() == values.tobytes()
    if values.size > 1:
        assert back.flags.f_contiguous == values.flags.f_contiguous


def test_an_array_seen_through_gaps_is_laid_together():
    values = np.arange(12.0).reshape(3, 4)[:, ::-2]
    assert (unpacked(packed({"a": values}), "file")["a"] == values).all()


def test_a_new_folder_holds_just_the_files(tmp_path):
    write_folder(tmp_path / "new" / "bundle", FILES, force=False)
    assert {p.name: p.read_bytes() for p in (tmp_path / "new" / "bundle").iterdir()} == FILES
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["bundle"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "bundle").mkdir()
    write_folder(tmp_path / "bundle", FILES, force=False)
    assert (tmp_path / "bundle" / "bundle.json").exists()


def test_a_bundle_is_replaced_only_by_force(tmp_path):
    write_folder(tmp_path / "bundle", FILES | {"fold_1.safetensors": b"y"}, force=False)
    with pytest.raises(FileInTheWayError, match="--force"):
        write_folder(tmp_path / "bundle", FILES, force=False)
    write_folder(tmp_path / "bundle", FILES, force=True)
    assert sorted(p.name for p in (tmp_path / "bundle").iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", ["photo.jpg", "fold_x.safetensors", "fold_01.safetensors.bak"])
def test_nothing_else_is_ever_replaced(tmp_path, name):
    write_folder(tmp_path / "bundle", FILES, force=False)
    (tmp_path / "bundle" / name).write_text("mine")
    with pytest.raises(OccupiedFolderError, match=rf"holds {name}"):
        write_folder(tmp_path / "bundle", FILES, force=True)
    assert (tmp_path / "bundle" / name).read_text() == "mine"


def test_a_folder_that_only_looks_like_one_is_left_alone(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "MODEL_CARD.md").write_text("mine")
    with pytest.raises(OccupiedFolderError, match=r"MODEL_CARD\.md"):
        write_folder(tmp_path / "bundle", FILES, force=True)


@pytest.mark.parametrize("make", ["file", "link"])
def test_a_file_or_a_link_in_its_place_is_left_alone(tmp_path, make):
    (tmp_path / "target").mkdir()
    place = tmp_path / "bundle"
    place.write_text("mine") if make == "file" else place.symlink_to(tmp_path / "target")
    with pytest.raises(OccupiedFolderError, match="bundle"):
        write_folder(place, FILES, force=True)


def test_a_write_that_fails_leaves_the_old_bundle_and_nothing_else(tmp_path, monkeypatch):
    write_folder(tmp_path / "bundle", FILES, force=False)
    before = bundle_files.synchronize

    def fail(path):
        if path.name == "MODEL_CARD.md":
            raise OSError(28, "No space left on device")
        before(path)

    monkeypatch.setattr(bundle_files, "synchronize", fail)
    with pytest.raises(OSError, match="No space"):
        write_folder(tmp_path / "bundle", FILES | {"bundle.json": b"new"}, force=True)
    assert (tmp_path / "bundle" / "bundle.json").read_bytes() == b"{}"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]
