"""What a published file holds, and what is refused as one."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from biomass_pipeline.errors import (
    DamagedCacheError,
    OtherContentsError,
    StaleCacheError,
    UnreadableCacheError,
)
from biomass_pipeline.store import FeatureCache, Quarantined, describe, open_cache
from biomass_pipeline_tests.store.fold import STAMP, ByContent, fold_of, folder_at, write

TWO = (("a", "c1"), ("b", "c2"))


@pytest.fixture
def cache(tmp_path):
    return write(folder_at(tmp_path), 0, fold_of(*TWO))[0].cache


def test_the_file_has_the_layout_that_others_read(tmp_path):
    stamp = replace(STAMP, dtype="float16", weights_sha256="ab")
    cache = write(folder_at(tmp_path), 0, fold_of(("a", "c1")), stamp=stamp)[0].cache
    with h5py.File(cache.path) as file:
        assert file["features"].dtype == np.float16
        assert file["features"].chunks is None
        assert file["features"].compression is None
        assert file["coords"].dtype == np.int32
        assert file["area_weight"].dtype == np.float32
        assert file["offsets"].dtype == np.int64
        assert file["row_check"].dtype == np.uint64
        assert file["complete"][...].tolist() == [1]
        for name, text in (("image_id", "a"), ("image_sha256", "c1")):
            assert h5py.check_string_dtype(file[name].dtype).encoding == "utf-8"
            assert file[name].asstr()[0] == text
        assert dict(file.attrs).keys() == {
            "schema_version",
            "extraction_fingerprint",
            "backbone",
            "weights_sha256",
            "tile_px",
            "stride_px",
            "tokens",
            "layers",
            "feature_dim",
            "package_version",
            "rows_per_tile",
            "precision",
            "attributes_crc32",
            "quarantined_crc32",
        }
    assert cache.stamp() == replace(stamp, feature_dim=2)


def test_names_that_are_not_ascii_come_back(tmp_path):
    cache = write(folder_at(tmp_path), 0, fold_of(("Heufläche-草", "c1")))[0].cache
    assert cache.load().image_ids == ("Heufläche-草",)
    cache.check_whole()


def test_the_memory_map_and_single_bags_agree_with_the_loaded_whole(cache):
    loaded, mapped = cache.load(), cache.memory_map()
    assert isinstance(mapped.features, np.memmap)
    assert np.array_equal(mapped.features, loaded.features)
    assert np.array_equal(cache.bag(1), loaded.bag(1))


def test_a_stranger_is_refused_by_name(cache):
    with pytest.raises(StaleCacheError, match=f"extraction {'f' * 16}, but other was asked for"):
        open_cache(cache.path, "other")


def test_a_fold_without_a_photo_is_a_file_too(tmp_path):
    cache = write(folder_at(tmp_path), 0, fold_of())[0].cache
    cache.check_whole()
    assert cache.load().image_ids == ()
    # Nobody was asked how wide a row is: no backbone is built for no photo.
    assert cache.memory_map().features.shape == (0, 0)
    assert cache.broken_photos() == ()


def test_photos_are_told_without_their_features(cache):
    assert cache.photos() == {"a": "c1", "b": "c2"}
    with pytest.raises(StaleCacheError):
        replace(cache, fingerprint="a" * 16).photos()


@pytest.mark.parametrize("views", [1, 3])
def test_how_many_rows_a_tile_has_is_kept(tmp_path, views):
    contents = fold_of(*TWO, views=views)
    assert write(folder_at(tmp_path), 0, contents)[0].cache.rows_per_tile() == views


class TestDamage:
    def test_a_whole_file_passes(self, cache):
        cache.check_whole()
        cache.check_contents(fold_of(*TWO))
        assert cache.broken_photos() == ()

    def test_a_file_that_is_not_hdf5(self, cache):
        Path(cache.path).write_bytes(b"rubbish")
        with pytest.raises(DamagedCacheError, match="HDF5 cannot open it"):
            cache.load()

    def test_no_schema(self, cache):
        with h5py.File(cache.path, "r+") as file:
            del file["structure_check"]
            del file.attrs["schema_version"]
        with pytest.raises(DamagedCacheError, match="schema version no, not 1"):
            cache.load()

    def test_an_unknown_schema(self, cache):
        with h5py.File(cache.path, "r+") as file:
            del file["structure_check"]
            file.attrs["schema_version"] = 99
        with pytest.raises(DamagedCacheError, match="schema version 99, not 1"):
            cache.load()

    @pytest.mark.parametrize(("name", "value"), [("tile_px", 9), ("weights_sha256", "ef")])
    def test_an_attribute_that_somebody_changed(self, cache, name, value):
        with h5py.File(cache.path, "r+") as file:
            file.attrs[name] = value
        with pytest.raises(DamagedCacheError, match="its structure is not what was written"):
            open_cache(cache.path, STAMP.fingerprint)
        with h5py.File(cache.path, "r+") as file:
            del file["structure_check"]
        with pytest.raises(DamagedCacheError, match="its attributes fail their check"):
            open_cache(cache.path, STAMP.fingerprint)

    def test_an_incomplete_photo(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["complete"][1] = 0
        with pytest.raises(DamagedCacheError, match="photo b: it is incomplete"):
            cache.check_whole()
        with pytest.raises(DamagedCacheError, match="some photos are incomplete"):
            open_cache(cache.path, STAMP.fingerprint)

    def test_a_feature_that_is_not_finite(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["features"][3, 0] = np.nan
        assert cache.broken_photos() == ("b",)
        with pytest.raises(
            DamagedCacheError,
            match=r"photo b: tile 1 \(row_px 8, col_px 0\) has features that are NaN",
        ):
            cache.check_whole()

    def test_offsets_that_miss_rows(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["offsets"][2] = 3
        with pytest.raises(DamagedCacheError, match="offsets do not cover"):
            cache.check_whole()

    @pytest.mark.parametrize(
        ("contents", "words"),
        [
            (fold_of(("a", "c1")), "image_ids are not those"),
            (fold_of(("a", "c1"), ("b", "c9")), "image_sha256 are not those"),
            (fold_of(*TWO, tiles=3), "tiles are not those"),
        ],
    )
    def test_other_contents(self, cache, contents, words):
        with pytest.raises(OtherContentsError, match=words):
            cache.check_contents(contents)

    def test_a_folder_in_its_place(self, cache):
        cache.path.unlink()
        cache.path.mkdir()
        words = r"fold_0.h5 should be a feature cache, but cannot be read: is a directory\. Make it"
        with pytest.raises(UnreadableCacheError, match=words):
            cache.load()

    def test_other_tiles(self, cache):
        with h5py.File(cache.path, "r+") as file:
            file["coords"][0, 0] = 99
        with pytest.raises(OtherContentsError, match=r"tiles are not those .* Run `biomass run`"):
            cache.check_contents(fold_of(*TWO))

    def test_a_list_of_quarantined_photos_that_somebody_shortened(self, tmp_path):
        contents = fold_of(*TWO)
        written, _ = write(
            folder_at(tmp_path), 0, contents, max_refused=1, refuses={"c2": "blurred"}
        )
        with h5py.File(written.cache.path, "r+") as file:
            file["quarantined_reason"][0] = b"fine"
        with pytest.raises(DamagedCacheError, match="list of quarantined photos fails its check"):
            written.cache.quarantined()


class TestFilesMadeElsewhere:
    @pytest.fixture
    def foreign(self, tmp_path):
        """The contract's datasets and attributes, chunked, with texts of any length."""
        path = folder_at(tmp_path).layout.feature_cache(STAMP.fingerprint, 0)
        path.parent.mkdir(parents=True)
        text = h5py.string_dtype("utf-8")
        with h5py.File(path, "w") as file:
            rows = np.array([[1, 0], [1, 1], [2, 0], [2, 1]], np.float32)
            file.create_dataset("features", data=rows, chunks=(1, 2), compression="gzip")
            contents = fold_of(*TWO)
            file["coords"], file["area_weight"] = contents.coords, contents.area_weight
            file["offsets"] = contents.offsets
            file.create_dataset("image_id", data=["a", "b"], dtype=text)
            file.create_dataset("image_sha256", data=["c1", "c2"], dtype=text)
            file.attrs.update(schema_version=1, extraction_fingerprint=STAMP.fingerprint)
            file.attrs.update(backbone="theirs", weights_sha256="", tile_px=8, stride_px=8)
            file.attrs.update(tokens="cls", layers="last", feature_dim=2, package_version="0")
        return path

    def test_it_is_whole_and_says_that_it_has_no_checks(self, foreign):
        cache = open_cache(foreign, STAMP.fingerprint)
        cache.check_whole()
        cache.check_contents(fold_of(*TWO))
        assert not cache.inspect().has_checks
        assert cache.load().image_ids == ("a", "b")
        assert cache.quarantined() == ()

    def test_nan_in_it_is_found(self, foreign):
        with h5py.File(foreign, "r+") as file:
            file["features"][2, 1] = np.inf
        cache = open_cache(foreign, STAMP.fingerprint)
        assert cache.broken_photos() == ("b",)
        with pytest.raises(DamagedCacheError, match="photo b: tile 0"):
            cache.check_whole()

    @pytest.mark.usefixtures("foreign")
    def test_its_rows_are_copied(self, tmp_path):
        written, asked = write(folder_at(tmp_path), 0, fold_of(*TWO, ("c", "c3")))
        assert asked == ["c3"]
        assert written.cache.inspect().has_checks
        assert written.cache.load().features[:4].tolist() == [[1, 0], [1, 1], [2, 0], [2, 1]]

    def test_it_stays_as_it_is_while_the_contents_do(self, foreign, tmp_path):
        before = foreign.read_bytes()
        _, asked = write(folder_at(tmp_path), 0, fold_of(*TWO))
        assert asked == []
        assert foreign.read_bytes() == before


def test_a_file_says_what_it_is(tmp_path):
    contents = fold_of(*TWO)
    written, _ = write(folder_at(tmp_path), 0, contents, max_refused=1, refuses={"c2": "blurred"})
    assert describe(written.cache.path, STAMP.fingerprint) == {
        "backbone": "fake",
        "photos": "1/1",
        "rows": 2,
        "width": 2,
        "dtype": "float32",
        "quarantined": 1,
    }
    assert isinstance(written.cache, FeatureCache)
    assert written.cache.quarantined() == (Quarantined("b", "c2", "b.jpg", "blurred"),)
    assert ByContent(contents).feature_dim() == 2
