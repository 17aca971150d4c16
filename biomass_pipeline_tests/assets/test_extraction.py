"""Extraction by hand: a fold's own tiles, embedded once, and broken features found."""

from io import BytesIO

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from biomass_pipeline.assets import extraction
from biomass_pipeline.assets.feature_checks import feature_checks
from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import ChangedImageError, FeatureRangeError, UnreadableImageError
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder
from biomass_pipeline_tests.farm import CountingBackbone

CALL = "call"


def version(result):
    return result.data_version.value


def passed(result):
    return all(check.passed for check in result.check_results)


def failed(result):
    """The checks that did not pass, by name."""
    return {check.check_name: check for check in result.check_results if not check.passed}


def test_a_fold_holds_the_tiles_of_its_own_photos(stand):
    folds = stand.folds()
    for fold in range(3):
        result = stand.patch_index(fold, how=CALL)
        own = folds.loc[folds["fold"] == fold, "image_id"]
        assert set(result.value["image_id"]) == set(own)
        assert result.metadata["photos"] == len(own)
        assert result.metadata["dagster/row_count"] == 2 * len(own)


def test_nodata_takes_tiles_and_area_away(stand):
    """A tile of 16 px is gone, and half of the other, but not the photo's whole weight."""
    own = stand.folds().set_index("image_id")["fold"]["s0n0"]
    whole = stand.patch_index(own, how=CALL)
    stand.photos.files["s0n0.png"] = half_transparent()
    result = stand.patch_index(own, how=CALL)
    tiles = result.value[result.value["image_id"] == "s0n0"]
    assert tiles[["tile", "area_weight", "valid_fraction"]].to_numpy().tolist() == [[1, 1, 0.5]]
    assert result.metadata["nodata_tiles_dropped"] == 1
    assert whole.metadata["nodata_tiles_dropped"] == 0
    others = whole.value["image_id"] != "s0n0"
    left = result.value[result.value["image_id"] != "s0n0"]
    pd.testing.assert_frame_equal(
        left.reset_index(drop=True), whole.value[others].reset_index(drop=True)
    )


def reading(stand, name, tokens):
    """The same project with another backbone; its name tells the size of its patches."""
    return stand.with_config(backbone=BackboneConfig(name=name, tokens=tokens))


def test_nodata_takes_area_from_the_cells_that_it_fills(stand):
    stand.photos.files["s0n0.png"] = half_transparent()
    own = stand.folds().set_index("image_id")["fold"]["s0n0"]
    table = reading(stand, "timm:vit_patch8", "grid:2").patch_index(own)
    shares = table.set_index("image_id")["cell_shares"]
    assert shares["s0n0"] == [0, 0.5, 0, 0.5]
    assert shares.drop("s0n0").isna().all()


def test_the_table_of_tiles_follows_the_backbone_only_where_it_has_cells(stand):
    def code(name, tokens):
        return reading(stand, name, tokens).asset("patch_index").code_versions_by_key.popitem()[1]

    whole, same = code("timm:vit_patch8", "cls"), code("colour-texture-rcf", "cls")
    eighths, sixteenths = code("timm:vit_patch8", "grid:2"), code("timm:vit_patch4", "patches")
    assert whole == same
    assert len({whole, eighths, sixteenths}) == 3


@pytest.mark.parametrize(
    ("now", "error", "words"),
    [
        (b"", ChangedImageError, "s0n0.png changed after"),
        (None, UnreadableImageError, "s0n0.png cannot be decoded: unreadable: gone"),
    ],
)
def test_a_photo_that_is_not_the_manifests_is_named(stand, now, error, words):
    stand.photos.files["s0n0.png"] = half_transparent()
    manifest, folds = stand.manifest(), stand.folds()
    own = int(folds.set_index("image_id")["fold"]["s0n0"])

    class Changed:
        def open(self, path):
            if now is None:
                raise OSError("gone")
            return BytesIO(now)

    with pytest.raises(error, match=words):
        stand.value("patch_index", manifest, folds, fold=own, photos=Changed())


def half_transparent():
    """A photo of two tiles: the first is all nodata, the second in its left half."""
    pixels = np.full((16, 32, 4), 99, np.uint8)
    pixels[:, :24, 3] = 0
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


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
    check = failed(result)["features_are_finite"]
    photos = result.metadata["photos"]
    assert check.description == f"{photos} photos have features that are NaN or infinite."
    for image_id in result.value.load().image_ids:
        assert f"| {image_id} |" in check.metadata["cases"].value


def test_tiles_that_cover_pass_the_check(stand):
    result = stand.patch_index(0, how=CALL)
    (check,) = result.check_results
    assert check.passed
    assert check.description == "0 of 4 photos are not covered once."


def test_tiles_that_leave_a_photo_out_fail_the_check(stand, monkeypatch):
    whole = extraction.index_patches
    monkeypatch.setattr(
        extraction, "index_patches", lambda *given, **how: whole(*given, **how).iloc[1:]
    )
    check = failed(stand.patch_index(0, how=CALL))["tiles_cover_each_photo"]
    assert check.description.startswith("1 of 4 photos are not covered once: ")
    assert "its area weights add up to 0.5" in check.description


def test_norms_are_compared_with_those_of_earlier_runs_of_the_extraction(stand):
    """What a run reports is what the next one reads; other extractions take no part."""
    first = stand.cache(0, how=CALL)
    remembered = {name: getattr(v, "value", v) for name, v in first.metadata.items()}
    own, cache = stand.extraction, first.value

    def norms(**past):
        _, checks = feature_checks(cache, asset="feature_cache", past=[remembered | past])
        return next(check for check in checks if check.check_name == "norms_are_as_before")

    assert norms().passed
    assert "1 earlier ones of this extraction" in norms().description
    assert not norms(norm_median=10_000.0).passed
    assert norms(norm_median=10_000.0).severity == dg.AssetCheckSeverity.WARN
    assert norms(norm_median=10_000.0, extraction_fingerprint=f"not {own}").passed


def test_a_photo_that_cannot_be_embedded_is_quarantined_with_its_reason(stand, another_photo):
    stand.photos.files["s0n0.png"] = another_photo
    stand.backbone = CountingBackbone(fails_on_blue=99)
    results = [stand.cache(fold, how=CALL) for fold in range(3)]
    (quarantined,) = [photo for r in results for photo in r.value.quarantined()]
    assert quarantined.image_id == "s0n0"
    assert quarantined.reason == "backbone failed: RuntimeError: no memory left on the device"
    ids = {name for r in results for name in r.value.load().image_ids}
    assert ids == {name.removesuffix(".png") for name in stand.labels.rows} - {"s0n0"}
    assert sum(r.metadata["photos_quarantined"] for r in results) == 1


def test_on_disk_nan_is_refused_before_it_is_written(stand, broken_backbone, tmp_path):
    stand.backbone, stand.features = broken_backbone, FeatureFolder(Layout(tmp_path))
    with pytest.raises(FeatureRangeError):
        stand.cache(0)
    assert not list(tmp_path.rglob("fold_0.h5"))


def changed(before, after):
    return [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
