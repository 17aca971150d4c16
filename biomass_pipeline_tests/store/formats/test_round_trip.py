"""What goes out in any format comes back bit for bit, into memory and into the HDF5 cache."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from biomass_pipeline.store import (
    FORMATS,
    Parcel,
    export_folds,
    exported_parts,
    import_parcel,
    open_part,
)
from biomass_pipeline.store.formats import zarr_group
from biomass_pipeline_tests.store.fold import folder_at
from biomass_pipeline_tests.store.formats.parcels import (
    FINGERPRINT,
    REFUSED,
    contents_of,
    parcel_of,
    parcels,
    same,
)


def there_and_back(parcel, folder, form):
    export_folds([parcel], folder, form=form, force=True)
    (path,) = exported_parts(folder)
    return open_part(path, FINGERPRINT).read()


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=10)
@given(parcel=parcels())
def test_every_bit_comes_back(tmp_path_factory, form, parcel):
    folder = tmp_path_factory.mktemp("export") / "out"
    assert same(there_and_back(parcel, folder, form), parcel)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("quarantined", [(), (REFUSED,)])
def test_a_fold_that_went_out_and_in_is_the_same_file(tmp_path, form, quarantined):
    """Into an empty cache: the file that the embedder had written, byte for byte."""
    parcel = parcel_of(notes={"precision": "fp32"}, quarantined=quarantined)
    contents = contents_of(parcel)
    first, second = folder_at(tmp_path / "a"), folder_at(tmp_path / "b")
    import_parcel(parcel, contents, first, path=tmp_path)
    original = first.layout.feature_cache(FINGERPRINT, 0)
    export_folds([Parcel.of(0, first.open(0, FINGERPRINT))], tmp_path / "out", form=form)
    (path,) = exported_parts(tmp_path / "out")
    back = open_part(path, FINGERPRINT).read()
    written = import_parcel(back, contents, second, path=path)
    assert written.n_embedded == 3
    assert len(written.quarantined) == len(quarantined)
    again = second.layout.feature_cache(FINGERPRINT, 0)
    assert again.read_bytes() == original.read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_equal_features_give_equal_exports(tmp_path, form):
    for name in "ab":
        export_folds([parcel_of()], tmp_path / name, form=form)
    texts = {(tmp_path / name / "fold_0.json").read_text() for name in "ab"}
    assert len(texts) == 1


def test_photos_may_stand_in_another_order_than_in_their_fold(tmp_path):
    parcel = parcel_of()
    contents = contents_of(parcel)
    turned = parcel_of((2, 1, 3), ids=("photo2", "photo1", "photo0"))
    rows = [parcel.bag(photo) for photo in (2, 1, 0)]
    held = replace(
        turned.features,
        features=np.concatenate([bag.features for bag in rows]),
        coords=np.concatenate([bag.coords for bag in rows]),
        area_weight=np.concatenate([bag.area_weight for bag in rows]),
        image_sha256=("c2", "c1", "c0"),
    )
    folder = folder_at(tmp_path)
    import_parcel(replace(turned, features=held), contents, folder, path=tmp_path)
    loaded = folder.open(0, FINGERPRINT).load()
    assert loaded.features.tobytes() == parcel.features.features.tobytes()


def test_what_is_here_already_stays(tmp_path):
    parcel, folder = parcel_of(), folder_at(tmp_path)
    import_parcel(parcel, contents_of(parcel), folder, path=tmp_path)
    again = import_parcel(parcel_of(seed=1), contents_of(parcel), folder, path=tmp_path)
    assert (again.n_embedded, again.n_reused) == (0, 3)
    loaded = folder.open(0, FINGERPRINT).load()
    assert loaded.features.tobytes() == parcel.features.features.tobytes()


@pytest.mark.parametrize("row_bytes", [1, 1000, 7_000_000, 20_000_000, 40_000_000])
def test_a_chunk_of_zarr_is_as_many_rows_as_fit_into_32_mib_and_never_none(row_bytes):
    rows = np.broadcast_to(np.zeros(1, np.uint8), (100_000_000, row_bytes))
    length = zarr_group.chunk_rows(rows)
    assert length == 1 or length * row_bytes <= 32 * 2**20
    assert (length + 1) * row_bytes > 32 * 2**20
    assert zarr_group.chunk_rows(rows[:1]) == zarr_group.chunk_rows(rows[:0]) == 1
