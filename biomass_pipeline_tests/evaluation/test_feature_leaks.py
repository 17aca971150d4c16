from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.evaluation.feature_leaks import (
    closest_feature,
    likeliest_twins,
    pooled_means,
)
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline_tests.evaluation.season import N_TILES, season


def told(field, **columns):
    """Labels as alarms read them, a fold a group."""
    labels = field.labels
    fold = labels["group"].astype("category").cat.codes % 4
    return labels.rename(columns={"mass_g": "y_true"}).assign(
        **{"target": "mass_g", "fold": fold, **columns}
    )


def with_feature(field, values):
    """The same features and one more."""
    column = np.repeat(np.asarray(values, dtype=float), N_TILES)[:, None]
    wide = np.concatenate([field.features.features.astype(float), column], axis=1)
    return replace(field.features, features=wide)


def test_pooling_weighs_tiles_by_area():
    features = FeatureSet(
        features=np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 5.0]]),
        coords=np.zeros((3, 2), dtype=np.int32),
        area_weight=np.array([0.25, 0.75, 1.0], dtype=np.float32),
        image_ids=("a", "b"),
        image_sha256=("0", "1"),
        offsets=np.array([0, 2, 3]),
    )
    np.testing.assert_allclose(pooled_means(features), [[2.5, 5.0], [5.0, 5.0]])


def test_a_feature_that_is_the_label_is_found_by_number_and_target():
    field = season()
    found = closest_feature(with_feature(field, 3 - 2 * field.labels["mass_g"]), told(field))
    assert (found.feature, found.target) == (16, "mass_g")
    assert found.correlation == pytest.approx(1)


def test_a_feature_that_is_a_bent_label_is_found_by_its_ranks():
    field = season()
    found = closest_feature(with_feature(field, np.exp(field.labels["mass_g"])), told(field))
    assert found.feature == 16
    assert found.correlation == pytest.approx(1)


def test_a_feature_that_tells_the_group_only_is_not_close():
    field = season()
    means = field.labels.groupby("group")["mass_g"].transform("mean")
    noise = np.random.default_rng(0).normal(size=field.features.features.shape)
    blind = replace(field, features=replace(field.features, features=noise))
    labels = told(field, y_true=means + 0.01 * (field.labels["mass_g"] - means))
    assert closest_feature(with_feature(blind, means), labels).correlation < 0.5


def test_too_few_photos_a_group_say_nothing():
    assert closest_feature(season(per_group=1).features, told(season(per_group=1))) is None


def test_photos_without_a_label_take_no_part():
    field = season()
    some = told(field).iloc[10:]
    whole = closest_feature(field.features, some)
    assert whole == closest_feature(field.features, some.sample(frac=1, random_state=0))


def copied(field, source, target, *, noise=0.0):
    features = field.features.features.astype(float)
    rows = field.features.rows(source)
    features[field.features.rows(target)] = features[rows] + noise
    return replace(field.features, features=features)


def test_a_copy_in_another_fold_is_found_and_one_in_its_own_is_not():
    field = season()
    features = copied(field, 0, 99, noise=1e-4)
    (pair,) = likeliest_twins(features, told(field), above=0.9999)
    assert (pair.first, pair.second) == ("photo000", "photo099")
    assert pair.likeness > 0.9999
    assert likeliest_twins(features, told(field, fold=0), above=0.9999) == ()


def test_a_common_offset_does_not_make_photos_alike():
    field = season()
    shifted = replace(field.features, features=field.features.features.astype(float) + 1000)
    assert likeliest_twins(shifted, told(field), above=0.9999) == ()


def test_the_same_picture_at_another_brightness_is_not_a_twin():
    field = season()
    centred = pooled_means(field.features).mean(axis=0)
    features = copied(field, 0, 99)
    rows = field.features.rows(99)
    features.features[rows] = centred + 3 * (features.features[rows] - centred)
    assert likeliest_twins(features, told(field), above=0.9999) == ()


def test_the_blocks_of_the_search_leave_no_pair_out(monkeypatch):
    field = season()
    features = copied(field, 3, 98)
    whole = likeliest_twins(features, told(field), above=0.5)
    monkeypatch.setattr("biomass_pipeline.evaluation.feature_leaks._ROWS_AT_ONCE", 7)
    parts = likeliest_twins(features, told(field), above=0.5)
    assert {(p.first, p.second) for p in parts} == {(p.first, p.second) for p in whole}
    assert (whole[0].first, whole[0].second) == ("photo003", "photo098")
