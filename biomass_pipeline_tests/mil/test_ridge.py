from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.errors import (
    EmptyBagError,
    FeatureWidthError,
    MissingCheckpointError,
    StaleCheckpointError,
    TooFewGroupsError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.ridge import (
    fit_ridge,
    load_ridge,
    pool_bags,
    predict_ridge,
    ridge_exists,
    save_ridge,
)
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.targets import Recipe

LEVEL = 0.9


def recipe_of(data=None, **training):
    return Recipe(data or DataConfig(), TrainingConfig(**training), fingerprint="abc")


def pooled_by_hand(features):
    rows = []
    for i in range(len(features.image_ids)):
        bag, weight = features.bag(i).astype(float), features.area_weight[features.rows(i)]
        rows.append([*np.average(bag, axis=0, weights=weight), *bag.max(axis=0)])
    return np.array(rows)


def values(frame):
    return frame["y_pred"].to_numpy().reshape(-1, frame["target"].nunique())


@pytest.fixture(scope="module")
def model(five_field):
    return fit_ridge(five_field.features, five_field.labels, recipe=recipe_of())


def test_pooling_is_mean_and_maximum(five_field):
    found = pool_bags(five_field.features)
    assert found == pytest.approx(pooled_by_hand(five_field.features), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 10.0, 1e4])
def test_it_is_sklearns_ridge(five_field, alpha):
    recipe = recipe_of(ridge_alphas=(alpha,), feature_clip=1.5)
    model = fit_ridge(five_field.features, five_field.labels, recipe=recipe)
    pooled = pooled_by_hand(five_field.features)
    z = np.clip((pooled - pooled.mean(axis=0)) / pooled.std(axis=0), -1.5, 1.5)
    y = five_field.labels[list(DataConfig().components)].to_numpy()
    theirs = Ridge(alpha=alpha).fit(z, y)
    assert model.weights == pytest.approx(theirs.coef_.T, rel=1e-5, abs=1e-7)
    expected = np.maximum(theirs.predict(z), 0) @ np.array(DataConfig().component_matrix()).T
    found = values(predict_ridge(model, five_field.features, level=LEVEL))
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_penalty_is_the_best_of_inner_group_cv_that_sees_no_part_it_predicts(five_field):
    alphas, clip = (0.1, 3.0, 100.0), 1.5
    recipe = recipe_of(ridge_alphas=alphas, feature_clip=clip)
    model = fit_ridge(five_field.features, five_field.labels, recipe=recipe)
    pooled, groups = pool_bags(five_field.features), five_field.labels["group"].to_numpy(str)
    y = five_field.labels[list(DataConfig().components)].to_numpy()
    inner = np.zeros((len(alphas), *y.shape))
    for part in inner_parts(groups, n_parts=5, seed=recipe.training.seed):
        learn = np.setdiff1d(np.arange(len(y)), part)
        mean, sd = pooled[learn].mean(axis=0), pooled[learn].std(axis=0)
        z = np.clip((pooled - mean) / sd, -clip, clip)
        for row, alpha in enumerate(alphas):
            inner[row, part] = Ridge(alpha=alpha).fit(z[learn], y[learn]).predict(z[part])
    best = ((inner - y) ** 2).mean(axis=1).argmin(axis=0)
    assert model.alphas.tolist() == [alphas[row] for row in best]
    expected = np.maximum([inner[row, :, column] for column, row in enumerate(best)], 0).T
    assert model.inner.components == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_linear_density_is_learnt_and_holds_on_new_photos(make_field, one_target):
    field = make_field(one_target, 120)
    model = fit_ridge(field.features, field.labels, recipe=recipe_of(one_target))
    new = make_field(one_target, 60, seed=9, name="new")
    y = new.labels["cover"].to_numpy()
    error = y - values(predict_ridge(model, new.features, level=LEVEL))[:, 0]
    assert 1 - (error**2).sum() / ((y - y.mean()) ** 2).sum() > 0.9


def test_sums_follow_and_nothing_is_negative(five_field, model):
    frame = predict_ridge(model, five_field.features, level=LEVEL)
    table = frame.pivot_table(index="image_id", columns="target", values="y_pred")
    assert table["Dry_Total_g"].to_numpy() == pytest.approx(
        table[list(DataConfig().components)].sum(axis=1).to_numpy(), abs=1e-9
    )
    assert frame[["y_pred", "y_lower", "y_upper"]].to_numpy().min() >= 0


def test_a_negative_mass_becomes_zero(five_field, model):
    frame = predict_ridge(
        replace(model, intercept=model.intercept - 1000), five_field.features, level=LEVEL
    )
    assert frame["y_pred"].eq(0).all()


def test_a_photo_from_another_world_cannot_leave_the_training_range(five_field, model):
    features = five_field.features
    wild = replace(features, features=np.full(features.features.shape, 3e4, dtype=np.float32))
    limit = model.intercept + model.clip * np.abs(model.weights).sum(axis=0)
    found = values(predict_ridge(model, wild, level=LEVEL))
    assert found.max() <= limit.sum() + 1e-9


def test_a_feature_that_does_not_vary_says_nothing(five_field):
    features = five_field.features
    constant = features.features.copy()
    constant[:, 3] = 7
    fixed = replace(features, features=constant)
    model = fit_ridge(fixed, five_field.labels, recipe=recipe_of())
    moved = constant.copy()
    moved[:, 3] = 8
    one = predict_ridge(model, fixed, level=LEVEL)
    other = predict_ridge(model, replace(features, features=moved), level=LEVEL)
    pd.testing.assert_frame_equal(one, other)


def test_what_was_saved_is_what_is_read(five_field, model, tmp_path):
    path = save_ridge(model, tmp_path / "fold_0")
    assert [p.name for p in path.parent.iterdir()] == ["ridge.npz"]
    read = load_ridge(tmp_path / "fold_0", "abc")
    pd.testing.assert_frame_equal(
        predict_ridge(read, five_field.features, level=LEVEL),
        predict_ridge(model, five_field.features, level=LEVEL),
    )
    assert ridge_exists(tmp_path / "fold_0", "abc")


def test_a_stranger_is_refused(model, tmp_path):
    save_ridge(model, tmp_path)
    with pytest.raises(StaleCheckpointError, match="under fingerprint abc, but xyz was asked"):
        load_ridge(tmp_path, "xyz")
    assert not ridge_exists(tmp_path, "xyz")


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(MissingCheckpointError, match=r"no trained fold at .*ridge\.npz"):
        load_ridge(tmp_path, "abc")


def test_a_damaged_model_is_named(model, tmp_path):
    path = save_ridge(model, tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnreadableCheckpointError, match=r"ridge\.npz cannot be read"):
        load_ridge(tmp_path, "abc")


def test_a_pickle_in_disguise_is_not_run(tmp_path):
    np.savez(tmp_path / "ridge.npz", facts=np.array([print], dtype=object))
    with pytest.raises(UnreadableCheckpointError, match="ValueError"):
        load_ridge(tmp_path, "abc")


def test_features_of_another_width_are_refused(five_field, model):
    narrow = replace(five_field.features, features=five_field.features.features[:, :3])
    with pytest.raises(FeatureWidthError, match="3 wide, but the model was trained on 8"):
        predict_ridge(model, narrow, level=LEVEL)


def test_a_photo_without_tiles_is_named(five_field):
    offsets = five_field.features.offsets.copy()
    offsets[1] = 0
    with pytest.raises(EmptyBagError, match="photo000"):
        pool_bags(replace(five_field.features, offsets=offsets))


def test_a_bag_without_weights_is_pooled_equally(five_field):
    features = five_field.features
    bare = replace(features, area_weight=np.zeros_like(features.area_weight))
    mean = pool_bags(bare)[0, : features.feature_dim]
    assert mean == pytest.approx(features.bag(0).astype(float).mean(axis=0))


def test_one_group_is_refused(five_field):
    labels = five_field.labels.assign(group="only")
    with pytest.raises(TooFewGroupsError, match="all of one group"):
        fit_ridge(five_field.features, labels, recipe=recipe_of())
