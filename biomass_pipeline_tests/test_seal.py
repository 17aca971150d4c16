"""A sealed file tells every byte that changed, and passes for no other file."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.seal import (
    BLANK,
    Seal,
    as_comment,
    in_archive,
    read_seal,
    sealed_json,
    without_seal,
    write_sealed,
    write_table,
    write_text,
)

NAME = "patch_index/fold_0"
TABLE = pd.DataFrame({"image_id": ["a", "b"], "mass_g": [1.5, float("nan")]})
SCORES = {"zeta": 1, "alpha": {"r2": 0.5}}


def save_arrays(path):
    with path.open("wb") as file:
        np.savez(file, weights=np.arange(20.0))
    in_archive(path)


WRITERS = {
    "parquet": lambda path: write_table(TABLE, path),
    "json": lambda path: path.write_text(sealed_json(SCORES)),
    "npz": save_arrays,
    "html": lambda path: path.write_text(as_comment("<!DOCTYPE html>\n<p>x", "<!-- ", " -->")),
    "yaml": lambda path: path.write_text(as_comment("training:\n  epochs: 5\n", "# ")),
}


@pytest.fixture(params=WRITERS)
def path(request, tmp_path):
    path = tmp_path / f"fold_0.{request.param}"
    write_sealed(path, WRITERS[request.param], name=NAME)
    return path


def test_what_was_written_is_whole_under_its_own_name_only(path):
    assert read_seal(path, NAME) is Seal.WHOLE
    assert read_seal(path, "patch_index/fold_1") is Seal.BROKEN


def test_every_flipped_bit_is_seen(path):
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        assert read_seal(path, NAME) is Seal.BROKEN, place


def test_what_is_cut_off_or_added_is_seen(path):
    data = path.read_bytes()
    for changed in (data[:-1], data[: len(data) - 3], data + b"\n"):
        path.write_bytes(changed)
        assert read_seal(path, NAME) is Seal.BROKEN


def test_the_same_content_is_the_same_file(path, tmp_path):
    again = tmp_path / "elsewhere" / path.name
    write_sealed(again, WRITERS[path.suffix[1:]], name=NAME)
    assert again.read_bytes() == path.read_bytes()


def test_others_read_what_was_written(tmp_path):
    for kind in ("parquet", "json", "npz"):
        write_sealed(tmp_path / kind, WRITERS[kind], name=NAME)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "parquet"), TABLE)
    content = json.loads((tmp_path / "json").read_text())
    assert list(content) == ["seal", "alpha", "zeta"]
    assert without_seal(content) == SCORES
    with np.load(tmp_path / "npz") as arrays:
        assert arrays["weights"].tolist() == list(range(20))
    with zipfile.ZipFile(tmp_path / "npz") as archive:
        assert archive.testzip() is None


def test_a_text_that_speaks_of_seals_has_its_own_all_the_same(tmp_path):
    path = tmp_path / "scores.json"
    write_text(path, sealed_json({"told": BLANK.replace("0", "7")}), name=NAME)
    assert read_seal(path, NAME) is Seal.WHOLE


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1", b"biomass"])
def test_a_file_of_somebody_else_has_no_seal(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read_seal(path, NAME) is Seal.NONE


def test_where_there_is_no_room_none_is_made(tmp_path):
    path = tmp_path / "submission.csv"
    write_text(path, "sample_id,target\n", name=NAME)
    assert path.read_text() == "sample_id,target\n"
    assert sealed_json([1]) == json.dumps([1], indent=2)
    assert without_seal([1]) == [1]
    with pytest.raises(ValueError, match="has no room for its seal"):
        write_sealed(path, lambda partial: partial.write_text("x"), name=NAME)
    with pytest.raises(ValueError, match="is no archive"):
        in_archive(path)
    assert path.read_text() == "sample_id,target\n"
