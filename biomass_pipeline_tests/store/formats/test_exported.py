"""Folds of an export are read like those of the cache, and nothing is ever embedded for them."""

from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.errors import (
    DamagedExportError,
    ForeignExportError,
    MissingExportError,
    OtherPhotosError,
    TooManyRefusedError,
)
from biomass_pipeline.store import Cache, ExportedFeatures, export_folds
from biomass_pipeline_tests.store.fold import fold_of, folder_at
from biomass_pipeline_tests.store.fold import write as write_hdf5
from biomass_pipeline_tests.store.formats.parcels import (
    FINGERPRINT,
    REFUSED,
    contents_of,
    parcel_of,
)

PARCEL = parcel_of(quarantined=(REFUSED,))


@pytest.fixture
def features(tmp_path):
    export_folds([PARCEL], tmp_path / "out", form="lmdb")
    return ExportedFeatures(tmp_path / "out", folder_at(tmp_path))


def written(features, contents, **options):
    return features.write(0, contents, stamp=PARCEL.stamp, embedder=None, **options)


def test_a_fold_is_read_as_it_was_exported(features):
    cache = features.open(0, FINGERPRINT)
    assert isinstance(cache, Cache)
    assert cache.load().features.tobytes() == PARCEL.features.features.tobytes()
    assert cache.quarantined() == (REFUSED,)
    assert cache.broken_photos() == ()
    assert cache.inspect().has_checks


def test_what_has_just_the_folds_photos_is_taken_and_nothing_is_asked_of_the_embedder(features):
    done = written(features, contents_of(PARCEL), max_refused=1)
    assert (done.n_embedded, done.n_reused, done.quarantined) == (0, 3, (REFUSED,))
    assert done.cache == features.open(0, FINGERPRINT)


def test_what_has_others_is_refused(features):
    contents = contents_of(PARCEL)
    other = replace(contents, image_ids=("new", *contents.image_ids[1:]))
    with pytest.raises(OtherPhotosError, match="photo new is missing"):
        written(features, other, max_refused=1)
    with pytest.raises(TooManyRefusedError, match=r"(?s)1 of 4 photos .*broken\.jpg: cut off"):
        written(features, contents)


def test_a_fold_that_it_lacks_or_of_another_extraction_is_refused(features):
    with pytest.raises(MissingExportError, match=r"fold_1\.json"):
        features.open(1, FINGERPRINT)
    with pytest.raises(ForeignExportError):
        features.open(0, "mine")


def test_damage_is_seen_when_it_is_read(features):
    cache = features.open(0, FINGERPRINT)
    path = features.export / "fold_0.lmdb"
    path.write_bytes(path.read_bytes()[:-4096])
    for look in (cache.load, cache.inspect, cache.broken_photos):
        with pytest.raises(DamagedExportError, match=r"fold_0\.lmdb has"):
            look()


def test_photos_without_labels_are_kept_in_hdf5(features):
    contents = fold_of(("a", "c1"))
    done, asked = write_hdf5(features, None, contents)
    assert asked == ["c1"]
    assert features.open(None, done.cache.fingerprint).path.name == "inference.h5"


def test_a_feature_that_is_no_number_is_found(tmp_path):
    held = parcel_of().features
    broken = held.features.copy()
    broken[3, 1] = np.nan
    export_folds(
        [replace(parcel_of(), features=replace(held, features=broken))],
        tmp_path / "out",
        form="npy",
    )
    cache = ExportedFeatures(tmp_path / "out", folder_at(tmp_path)).open(0, FINGERPRINT)
    assert cache.broken_photos() == ("photo1",)
