"""Any flipped byte that holds data is found, and its photo and tile are named."""

import re

import h5py
import numpy as np
import pytest

from biomass_pipeline.errors import BiomassError, DamagedCacheError
from biomass_pipeline.store import Inspection
from biomass_pipeline.store.inspection import Damage
from biomass_pipeline_tests.store.fold import final_of, fold_of, folder_at, write

PHOTOS = tuple((f"photo{i}", f"c{i + 1}") for i in range(5))
OF_ROWS = ("features", "coords", "area_weight", "row_check")
N_FLIPS = 250


@pytest.fixture
def folder(tmp_path):
    """A fold of five photos with six tiles, and one that was refused."""
    folder = folder_at(tmp_path)
    contents = fold_of(*PHOTOS, ("dark", "c9"), tiles=6)
    write(folder, 0, contents, max_refused=1, refuses={"c9": "too dark"})
    return folder


def places(path):
    """Where the data of each dataset lie: name, first byte, bytes."""
    with h5py.File(path) as file:
        return [
            (name, data.id.get_offset(), data.id.get_storage_size())
            for name, data in file.items()
            if data.size
        ]


def problem(folder):
    """What is wrong with the file, in words; empty if it is taken for whole."""
    try:
        cache = folder.open(0, "f" * 16)
        found = cache.inspect()
        cache.quarantined()
    except BiomassError as error:
        return str(error)
    return found.summary()


def flip(path, place, bit):
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def test_an_untouched_file_is_whole(folder):
    assert problem(folder) == ""


def test_every_flipped_byte_of_data_is_found_and_named(folder):
    path, chance = final_of(folder), np.random.default_rng(0)
    whole, listed = path.read_bytes(), places(final_of(folder))
    assert {name for name, *_ in listed} >= {*OF_ROWS, "offsets", "complete", "quarantined_id"}
    for _ in range(N_FLIPS):
        name, start, size = listed[chance.integers(len(listed))]
        place = int(chance.integers(size))
        flip(path, start + place, int(chance.integers(8)))
        found = problem(folder)
        assert found, f"byte {place} of {name}"
        if name in OF_ROWS:
            row = place // (size // 30)
            assert f"photo photo{row // 6}: tile {row % 6} (row_px" in found
        elif name in ("image_sha256", "complete"):
            assert f"photo{place // (size // 5)}" in found or "some photos are incomplete" in found
        path.write_bytes(whole)


def test_any_flipped_byte_of_the_file_is_found(folder):
    """Beyond the data: attributes, names, shapes, HDF5's own structure and the gaps in it."""
    path, chance = final_of(folder), np.random.default_rng(1)
    whole = path.read_bytes()
    for place in chance.integers(len(whole), size=N_FLIPS):
        flip(path, int(place), int(chance.integers(8)))
        found = problem(folder)
        assert str(path) in found or re.search(r"photo \S+: ", found), f"byte {place}"
        path.write_bytes(whole)


@pytest.mark.parametrize("name", ["weights_sha256", "backbone", "extraction_fingerprint"])
def test_a_flipped_byte_of_an_attribute_is_refused(folder, name):
    path = final_of(folder)
    with h5py.File(path, "r+") as file:
        file.attrs[name] = "x" + str(file.attrs[name])[1:]
    assert str(path) in problem(folder)


def test_the_tiles_and_the_rest_are_counted(folder):
    with h5py.File(final_of(folder), "r+") as file:
        file["features"][7:10, 0] = 99
    found = folder.open(0, "f" * 16).inspect()
    assert found.damages == (
        Damage(
            "photo1",
            (1, 2, 3),
            "tile 1 (row_px 8, col_px 0) and 2 more tiles is not what was written",
        ),
    )
    assert (found.has_checks, found.n_quarantined) == (True, 1)


def test_a_long_list_is_cut():
    damages = tuple(Damage(f"p{i}", (), "it is incomplete") for i in range(7))
    summary = Inspection(has_checks=True, n_quarantined=0, damages=damages).summary()
    assert summary.endswith("photo p4: it is incomplete; and 2 more photos")


def test_a_file_larger_than_a_piece_is_read_in_pieces(folder, monkeypatch):
    monkeypatch.setattr("biomass_pipeline.store.inspection._PIECE_BYTES", 32)
    cache = folder.open(0, "f" * 16)
    cache.check_whole()
    with h5py.File(cache.path, "r+") as file:
        file["features"][-1, 0] = 3.5
    with pytest.raises(DamagedCacheError, match="photo photo4: tile 5"):
        cache.check_whole()
