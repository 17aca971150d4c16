"""Extraction by hand: a fold's own tiles, embedded once, and broken features found."""

import numpy as np
import pytest

from biomass_pipeline.errors import FeatureRangeError
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder

CALL = "call"


def version(result):
    return result.data_version.value


def passed(result):
    (check,) = result.check_results
    return check.passed


def test_a_fold_holds_the_tiles_of_its_own_photos(stand):
    folds = stand.folds()
    for fold in range(3):
        result = stand.patch_index(fold, how=CALL)
        own = folds.loc[folds["fold"] == fold, "image_id"]
        assert set(result.value["image_id"]) == set(own)
        assert result.metadata["photos"] == len(own)
        assert result.metadata["dagster/row_count"] == 2 * len(own)


def test_another_photo_changes_the_version_of_its_fold_only(stand, another_photo):
    own = stand.folds().set_index("image_id")["fold"]["s0n0"]

    def versions(asset):
        return [version(asset(fold, how=CALL)) for fold in range(3)]

    tiles, caches = versions(stand.patch_index), versions(stand.cache)
    stand.photos.files["s0n0.png"] = another_photo
    assert changed(tiles, versions(stand.patch_index)) == [own]
    assert changed(caches, versions(stand.cache)) == [own]


def test_a_tile_is_embedded_once(stand):
    first, again = stand.cache(0, how=CALL), stand.cache(0, how=CALL)
    photos = first.metadata["photos"]
    assert (first.metadata["photos_embedded"], first.metadata["photos_reused"]) == (photos, 0)
    assert (again.metadata["photos_embedded"], again.metadata["photos_reused"]) == (0, photos)
    assert stand.backbone.n_tiles == 2 * photos
    assert version(first) == version(again)


def test_another_extraction_has_another_version(stand):
    before = version(stand.cache(0, how=CALL))
    stand.extraction = "f" * 16
    assert version(stand.cache(0, how=CALL)) != before


def test_the_cache_says_what_made_it(stand):
    metadata = stand.cache(1, how=CALL).metadata
    assert metadata["backbone"] == "mean-colour"
    assert metadata["extraction_fingerprint"] == stand.extraction
    assert metadata["dagster/row_count"] == 2 * metadata["photos"]


def test_progress_ends_with_the_last_photo(stand):
    photos = stand.cache(2, how=CALL).metadata["photos"]
    assert [progress.n_photos for progress in stand.bar.seen[2]] == [*range(1, photos + 1)]


def test_features_are_the_backbones(stand):
    features = stand.cache(0).load()
    green = {path: 10 * mass for path, (_, mass) in stand.labels.rows.items()}
    for i, image_id in enumerate(features.image_ids):
        assert np.allclose(features.bag(i)[:, 1], green[f"{image_id}.png"])


def test_finite_features_pass_the_check(stand):
    assert passed(stand.cache(0, how=CALL))


def test_nan_fails_the_check_and_names_the_photos(stand, broken_backbone):
    stand.backbone = broken_backbone
    result = stand.cache(0, how=CALL)
    (check,) = result.check_results
    photos = result.metadata["photos"]
    assert not check.passed
    assert (
        check.description == f"{photos} of {photos} photos have features that are NaN or infinite."
    )
    assert set(check.metadata["photos"].value) == set(result.value.load().image_ids)


def test_on_disk_nan_is_refused_before_it_is_written(stand, broken_backbone, tmp_path):
    stand.backbone, stand.features = broken_backbone, FeatureFolder(Layout(tmp_path))
    with pytest.raises(FeatureRangeError):
        stand.cache(0)
    assert not list(tmp_path.rglob("fold_0.h5"))


def changed(before, after):
    return [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
