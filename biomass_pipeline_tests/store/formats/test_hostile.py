"""Archives that were made to do harm are refused before their library reads them."""

import gzip
import io
import json
import tarfile
from contextlib import closing

import lmdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from biomass_pipeline.errors import DamagedExportError
from biomass_pipeline.store import export_folds, open_part
from biomass_pipeline.store.formats import lmdb_file, zarr_group
from biomass_pipeline.store.formats.arrays import npy_bytes
from biomass_pipeline_tests.store.formats.parcels import FINGERPRINT, parcel_of, same


def exported(folder, form):
    """An export whose record has no hashes, so that its archive can be exchanged."""
    export_folds([parcel_of()], folder / "out", form=form)
    path = folder / "out" / "fold_0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": {}, "record_crc32": None}))
    return folder / "out"


def read(export):
    return open_part(export / "fold_0.json", FINGERPRINT).read()


def member(name, data=b"", **facts):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, io.BytesIO(data)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (member("00000000.pkl", b"cos\nsystem\n"), "is none of a photo of the record"),
        (member("00000000.features.pyd", b"x"), "is none of a photo of the record"),
        (member("../../00000000.features.npy", b"x"), "is none of a photo of the record"),
        (member("/etc/cron.d/00000000.json", b"x"), "is none of a photo of the record"),
        (member("00000099.json", b"{}"), "is none of a photo of the record"),
        (member("00000000.features.npy", b"x" * 99_999), "is longer than it may be"),
        (member("00000000.json", b"x" * 99_999), "is longer than it may be"),
        (member("00000000.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "no plain file"),
        (member("00000000.json", type=tarfile.LNKTYPE, linkname="other"), "no plain file"),
        (member("00000000.json", type=tarfile.CHRTYPE), "no plain file"),
        (member("00000000.features.npy", npy_bytes(np.ones((3, 5)))), "stands in it twice|twice"),
    ],
)
def test_a_tar_member_that_has_no_place_there(tmp_path, made, problem):
    export = exported(tmp_path, "webdataset")
    with tarfile.open(export / "fold_0.000000.tar", "a") as tar:
        tar.addfile(*made)
    with pytest.raises(DamagedExportError, match=problem):
        read(export)


def test_a_compressed_shard_is_not_unpacked(tmp_path):
    export = exported(tmp_path, "webdataset")
    shard = export / "fold_0.000000.tar"
    shard.write_bytes(gzip.compress(shard.read_bytes() + bytes(2**20)))
    with pytest.raises(DamagedExportError):
        read(export)


def test_a_sample_of_another_photo(tmp_path):
    export = exported(tmp_path, "webdataset")
    shard = export / "fold_0.000000.tar"
    shard.write_bytes(shard.read_bytes().replace(b"photo1", b"photo9"))
    with pytest.raises(DamagedExportError, match="sample 1 is of another photo"):
        read(export)


@pytest.mark.parametrize("form", ["npy", "webdataset", "lmdb"])
def test_an_array_of_objects_is_not_unpickled(tmp_path, form):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was run",))

    trap = io.BytesIO()
    np.save(trap, np.array([Trap()], object), allow_pickle=True)
    export = exported(tmp_path, form)
    if form == "npy":
        # As long as it must be, so that nothing but its head can give it away.
        (export / "fold_0.features.npy").write_bytes(trap.getvalue() + bytes(4096))
    elif form == "lmdb":
        environment = lmdb.open(str(export / "fold_0.lmdb"), subdir=False, lock=False)
        with closing(environment), environment.begin(write=True) as entries:
            entries.put(b"00000000/features.npy", trap.getvalue())
    else:
        shard = export / "fold_0.000000.tar"
        with tarfile.open(shard) as tar:
            kept = [(each, tar.extractfile(each).read()) for each in tar]
        with tarfile.open(shard, "w") as tar:
            for info, data in kept:
                own = trap.getvalue() if info.name == "00000000.features.npy" else data
                tar.addfile(*member(info.name, own))
    with pytest.raises(DamagedExportError, match="features are object"):
        read(export)


@pytest.mark.parametrize(
    "change",
    [
        {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
        {"codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]},
        {"codecs": [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 0}}]},
        {"storage_transformers": [{"name": "strange"}]},
        {"data_type": "vlen-utf8"},
        {"shape": [10**15, 5]},
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [6, 10**9]}}},
        {"node_type": "group"},
        {"zarr_format": 2},
    ],
)
def test_zarr_metadata_that_ask_for_more_than_plain_numbers(tmp_path, monkeypatch, change):
    export = exported(tmp_path, "zarr")
    path = export / "fold_0.zarr" / "features" / "zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    monkeypatch.setattr(zarr_group.zarr, "open_group", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(DamagedExportError):
        read(export)


def test_a_chunk_that_zarr_would_take_for_zeros(tmp_path):
    export = exported(tmp_path, "zarr")
    (export / "fold_0.zarr" / "coords" / "c" / "0" / "0").unlink()
    # As long as before, so that only the missing chunk gives it away.
    (export / "fold_0.zarr" / "filler").write_bytes(bytes(4096))
    with pytest.raises(DamagedExportError, match="its coords lack chunks"):
        read(export)


@pytest.mark.parametrize("where", [0.5, 0.9], ids=["half of it", "its end"])
def test_an_lmdb_file_that_is_cut_or_bent_is_never_mapped(tmp_path, monkeypatch, where):
    """The library would end the process with a bus error, or follow what the file says."""
    export = exported(tmp_path, "lmdb")
    path = export / "fold_0.lmdb"
    whole = path.read_bytes()
    monkeypatch.setattr(lmdb_file.lmdb, "open", lambda *_, **__: pytest.fail("mapped"))
    cut = int(len(whole) * where) // 4096 * 4096
    for data in (whole[:cut], whole[:8192] + b"\xff" * 64 + whole[8256:]):
        path.write_bytes(data)
        with pytest.raises(DamagedExportError, match=r"no sound LMDB file|beyond the end"):
            read(export)


@pytest.mark.parametrize(
    ("name", "data"),
    [(b"00000001/other.npy", b"short"), (b"00000001/coords.npy", bytes(2**20))],
    ids=["another name", "too long"],
)
def test_an_lmdb_entry_that_is_none_of_a_photos_arrays_is_named_with_it(tmp_path, name, data):
    """As many entries as promised, so that only the photo's own can give it away."""
    export = exported(tmp_path, "lmdb")
    environment = lmdb.open(str(export / "fold_0.lmdb"), subdir=False, lock=False, map_size=2**26)
    with closing(environment), environment.begin(write=True) as entries:
        entries.delete(b"00000001/coords.npy")
        entries.put(name, data)
    with pytest.raises(DamagedExportError, match=r"coords\.npy of photo photo1 is missing or too"):
        read(export)


def test_what_zarr_consolidates_is_not_taken_for_what_was_looked_at(tmp_path):
    export = exported(tmp_path, "zarr")
    path = export / "fold_0.zarr" / "zarr.json"
    arrays = {
        array.parent.name: json.loads(array.read_text())
        | {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}
        for array in path.parent.glob("*/zarr.json")
    }
    consolidated = {"kind": "inline", "must_understand": False, "metadata": arrays}
    said = json.loads(path.read_text()) | {"consolidated_metadata": consolidated}
    path.write_text(json.dumps(said))
    assert same(read(export), parcel_of())


def test_a_parquet_table_that_would_have_to_be_unpacked(tmp_path):
    export = exported(tmp_path, "parquet")
    table = pq.read_table(export / "fold_0.parquet")
    pq.write_table(table, export / "fold_0.parquet", compression="zstd")
    with pytest.raises(DamagedExportError, match="it is compressed"):
        read(export)
