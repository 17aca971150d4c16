"""An export is read whole as it was written, by the right extraction, or refused by name."""

import json
import os
import re
import shutil

import pytest

from biomass_pipeline.errors import (
    DamagedExportError,
    FileInTheWayError,
    ForeignExportError,
    MissingExportError,
    MissingFormatError,
    OccupiedFolderError,
    UnsafeExportError,
    UnwritableExportError,
)
from biomass_pipeline.store import FORMATS, export_folds, exported_parts, open_part
from biomass_pipeline.store.formats import (
    lmdb_file,
    parquet_table,
    registry,
    web_shards,
    zarr_group,
)
from biomass_pipeline_tests.store.formats.parcels import FINGERPRINT, parcel_of, same


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An export in each format; not to be touched."""
    folder = tmp_path_factory.mktemp("whole")
    for form in FORMATS:
        export_folds([parcel_of()], folder / form, form=form)
    return folder


@pytest.fixture
def export(whole, tmp_path, request):
    """A copy, to be spoiled."""
    form = getattr(request, "param", "npy")
    shutil.copytree(whole / form, tmp_path / form)
    return tmp_path / form


each_format = pytest.mark.parametrize("export", FORMATS, indirect=True)


def read(export):
    return open_part(export / "fold_0.json", FINGERPRINT).read()


def files_of(export):
    """The files that hold features, the largest first."""
    files = [path for path in export.rglob("*") if path.is_file() and path.name != "fold_0.json"]
    return sorted(files, key=lambda path: -path.stat().st_size)


def edit(export, *, seal=True, **changes):
    """Change the record as somebody would who knows how, or leave its checksum as it was."""
    path = export / "fold_0.json"
    said = json.loads(path.read_text()) | changes
    if seal:
        said["record_crc32"] = None
    path.write_text(json.dumps(said))


@each_format
def test_a_file_that_was_cut_is_named(export):
    path = files_of(export)[0]
    path.write_bytes(path.read_bytes()[:-7])
    n_bytes = path.stat().st_size
    name = path.relative_to(export).as_posix()
    with pytest.raises(DamagedExportError, match=f"{name} has {n_bytes} bytes instead of"):
        read(export)


@each_format
def test_a_byte_that_changed_is_found(export):
    path = files_of(export)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedExportError, match=r"is not what was written \(SHA-256\)"):
        read(export)


@each_format
def test_a_file_that_is_gone_or_came_to_it_is_named(export):
    path = files_of(export)[0]
    kept = path.rename(path.with_name(f"{path.name}x"))
    with pytest.raises(DamagedExportError, match=r"is missing|is none of its files"):
        read(export)
    kept.rename(path)
    (export / "fold_0.more").write_bytes(b"")
    with pytest.raises(DamagedExportError, match=r"fold_0\.more is none of its files"):
        read(export)


@each_format
def test_without_hashes_the_format_is_still_held_to_the_record(export):
    """As in a record that somebody else wrote: cut files are refused by what was promised."""
    edit(export, files={})
    assert same(read(export), parcel_of())
    path = files_of(export)[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedExportError):
        read(export)


@each_format
@pytest.mark.parametrize(
    "changes",
    [
        {"feature_dim": 4},
        {"dtype": "float32"},
        {"offsets": [0, 3, 4, 5]},
        {"image_id": ["a", "b"], "image_sha256": ["x", "y"], "offsets": [0, 3, 4]},
        {"feature_dim": 10**12},
        {"offsets": [0, 3, 4, 10**15]},
    ],
    ids=["width", "type", "rows", "photos", "vast width", "vast rows"],
)
def test_what_a_record_promises_otherwise_is_refused_before_memory_is_taken(export, changes):
    edit(export, files={}, **changes)
    with pytest.raises(DamagedExportError):
        read(export)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"backbone": "other"}, "its text fails its own checksum"),
        ({"image_id": ["a", "a", "b"]}, "a photo stands in it twice"),
        ({"offsets": [0, 3, 3, 6]}, "offsets leave a photo without rows"),
        ({"offsets": [0, 3, 6]}, "not of the same photos"),
        ({"dtype": "object"}, "dtype: Input should be 'float16' or 'float32'"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"format": "pickle"}, "format 'pickle' is none of npy, webdataset"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_by_name(export, changes, problem):
    edit(export, seal="format" in changes, **changes)
    with pytest.raises(DamagedExportError, match=re.escape(problem)):
        read(export)


def test_a_record_that_is_no_json_is_refused(export):
    (export / "fold_0.json").write_bytes(b"\x80\x04pickle")
    with pytest.raises(DamagedExportError, match=r"fold_0\.json is not a usable export"):
        read(export)


def test_what_cannot_be_opened_is_said_so(export, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    part = open_part(export / "fold_0.json", FINGERPRINT)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", refuse)
        with pytest.raises(DamagedExportError, match="Permission denied"):
            part.read()
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(DamagedExportError, match=r"it cannot be read \(Permission denied\)"):
        open_part(export / "fold_0.json", FINGERPRINT)


def test_a_stranger_is_refused_by_name(export):
    with pytest.raises(ForeignExportError, match=f"extraction {FINGERPRINT}, but .* asks for mine"):
        open_part(export / "fold_0.json", "mine")


def test_a_fold_that_was_not_exported_is_missing(export):
    with pytest.raises(MissingExportError, match=r"there is no fold_3\.json"):
        open_part(export / "fold_3.json", FINGERPRINT)


@each_format
def test_no_link_is_followed(export, tmp_path):
    """Not even one to a file with just the right bytes."""
    path = files_of(export)[0]
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    with pytest.raises(UnsafeExportError, match="it is a link or no plain file"):
        read(export)


def test_a_record_that_is_a_link_is_not_read(export, tmp_path):
    elsewhere = (export / "fold_0.json").rename(tmp_path / "record.json")
    (export / "fold_0.json").symlink_to(elsewhere)
    with pytest.raises(UnsafeExportError):
        read(export)


def test_what_waits_for_ever_is_not_opened(export):
    os.mkfifo(export / "fold_0.pipe")
    with pytest.raises(UnsafeExportError, match=r"fold_0\.pipe"):
        read(export)


class TestWriting:
    """All or nothing, and over nothing but an export."""

    def test_an_export_is_replaced_by_force_alone(self, tmp_path):
        place = tmp_path / "out"
        export_folds([parcel_of(fold=0), parcel_of(fold=1)], place, form="npy")
        with pytest.raises(FileInTheWayError, match="--force"):
            export_folds([parcel_of()], place, form="parquet")
        export_folds([parcel_of()], place, form="parquet", force=True)
        assert sorted(path.name for path in place.iterdir()) == ["fold_0.json", "fold_0.parquet"]

    def test_what_is_no_export_is_never_written_over(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("all of it")
        with pytest.raises(OccupiedFolderError, match=r"thesis\.tex, which is no export"):
            export_folds([parcel_of()], tmp_path, form="npy", force=True)
        link = tmp_path / "link"
        link.symlink_to(tmp_path)
        with pytest.raises(OccupiedFolderError):
            export_folds([parcel_of()], link, form="npy", force=True)

    def test_an_export_that_fails_leaves_the_earlier_one_and_nothing_else(self, tmp_path):
        def failing():
            yield parcel_of(seed=1)
            raise OSError(28, "No space left on device")

        place = tmp_path / "out"
        export_folds([parcel_of()], place, form="npy")
        with pytest.raises(UnwritableExportError, match="cannot be written: no space left"):
            export_folds(failing(), place, form="npy", force=True)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert same(read(place), parcel_of())

    def test_what_a_library_cannot_write_is_told_in_a_sentence(self, tmp_path, monkeypatch):
        opened = lmdb_file.lmdb.open
        small = {"map_size": 16384}
        monkeypatch.setattr(
            lmdb_file.lmdb, "open", lambda *words, **options: opened(*words, **options | small)
        )
        with pytest.raises(UnwritableExportError, match="MDB_MAP_FULL"):
            export_folds([parcel_of((9,) * 9, width=999)], tmp_path / "out", form="lmdb")
        assert list(tmp_path.iterdir()) == []

    def test_folds_are_listed_by_number_and_the_unlabelled_last(self, tmp_path):
        parcels = (parcel_of(fold=fold) for fold in (10, None, 2))
        export_folds(parcels, tmp_path / "out", form="safetensors")
        (tmp_path / "out" / "fold_x.json").write_text("{}")
        found = [path.name for path in exported_parts(tmp_path / "out")]
        assert found == ["fold_2.json", "fold_10.json", "inference.json"]

    def test_bags_go_on_in_the_next_shard(self, tmp_path, monkeypatch):
        monkeypatch.setattr(web_shards, "_SHARD_BYTES", 600)
        parcel = parcel_of((3, 1, 2, 4, 2))
        export_folds([parcel], tmp_path / "out", form="webdataset")
        assert len(list((tmp_path / "out").glob("*.tar"))) > 1
        assert same(read(tmp_path / "out"), parcel)

    def test_large_folds_are_written_in_pieces(self, tmp_path, monkeypatch):
        monkeypatch.setattr(parquet_table, "_GROUP_BYTES", 20)
        monkeypatch.setattr(zarr_group, "_CHUNK_BYTES", 20)
        for form in ("parquet", "zarr"):
            export_folds([parcel_of()], tmp_path / form, form=form)
            assert same(read(tmp_path / form), parcel_of())


@pytest.mark.parametrize("form", ["webdataset", "lmdb", "zarr"])
def test_a_library_that_is_missing_is_named_with_the_command_that_brings_it(
    form, monkeypatch, tmp_path
):
    def import_module(name):
        raise ModuleNotFoundError(f"No module named {form!r}", name=form)

    monkeypatch.setattr(registry, "import_module", import_module)
    with pytest.raises(MissingFormatError, match=r"pip install 'biomass-pipeline\[formats\]'"):
        export_folds([parcel_of()], tmp_path / "out", form=form)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_of_our_own_is_no_missing_library(monkeypatch):
    def import_module(name):
        raise ModuleNotFoundError("No module named 'numpi'", name="numpi")

    monkeypatch.setattr(registry, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError):
        registry.carrier_of("lmdb")
