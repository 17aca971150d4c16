from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from biomass_pipeline.config import DataConfig, EvaluationConfig, RidgeConfig, TrainingConfig
from biomass_pipeline.errors import FeatureWidthError, StrangeFeaturesError, TooFewGroupsError
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.ridge import (
    families,
    fit_ridge,
    novelty_percentile,
    pool_bags,
    predict_points,
    predict_ridge,
)
from biomass_pipeline.mil.ridge.scaling import BlockScale
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.targets import Recipe

SPEC = PredictionSpec.from_config(EvaluationConfig())
BACK = {"raw": lambda p: np.maximum(p, 0), "sqrt": lambda p: np.maximum(p, 0) ** 2}


def recipe_of(data=None, **ridge):
    training = TrainingConfig(ridge=RidgeConfig(**ridge))
    return Recipe(data or DataConfig(), training, fingerprint="abc")


def fit(field, data=None, **ridge):
    return fit_ridge(field.features, field.labels, recipe=recipe_of(data, **ridge))


@pytest.fixture(scope="module")
def model(five_field):
    return fit(five_field)


def by_hand(pooled, y, rows, alpha, transform):
    """Scaled by the rows' statistics, fitted on the rows by scikit-learn, predicted everywhere."""
    scale = BlockScale.fit(pooled[rows], y[rows], scaling="robust", clip=1.5, relevance=1.0)
    z, learnt = scale(pooled), np.sqrt(y) if transform == "sqrt" else y
    return BACK[transform](Ridge(alpha=alpha).fit(z[rows], learnt[rows]).predict(z))


def test_each_transform_is_chosen_for_by_the_metric_on_inner_groups_and_they_are_averaged(
    five_field,
):
    alphas, data = (1e-3, 3e-2, 1.0), DataConfig()
    model = fit(
        five_field,
        poolings=("mean", "std"),
        transforms=("raw", "sqrt"),
        scaling="robust",
        clip=1.5,
        relevances=(1.0,),
        alphas=alphas,
    )
    pooled = pool_bags(five_field.features, ("mean", "std"))
    labels = five_field.labels
    groups, all_y = labels["group"].to_numpy(str), labels[list(data.target_names)].to_numpy()
    y, matrix = labels[list(data.components)].to_numpy(), np.array(data.component_matrix())
    weights = np.array(list(data.target_weights.values()))
    inner, points = [], []
    for member, transform in zip(model.members, ("raw", "sqrt"), strict=True):
        tried = np.zeros((len(alphas), *y.shape))
        for part in inner_parts(groups, n_parts=5, seed=0):
            learn = np.setdiff1d(np.arange(len(y)), part)
            for row, alpha in enumerate(alphas):
                tried[row, part] = by_hand(pooled, y, learn, alpha, transform)[part]
        best = ((tried @ matrix.T - all_y) ** 2 @ weights).sum(axis=1).argmin()
        assert (member.transform, member.alpha) == (transform, alphas[best])
        inner.append(tried[best])
        points.append(by_hand(pooled, y, np.arange(len(y)), alphas[best], transform))
    assert model.inner.components == pytest.approx(np.mean(inner, axis=0), rel=1e-5, abs=1e-6)
    found = predict_points(model, five_field.features)
    assert found == pytest.approx(np.mean(points, axis=0), rel=1e-5, abs=1e-6)


def test_the_inner_table_holds_every_training_photo_once(five_field, model):
    assert tuple(model.inner.image_ids) == five_field.features.image_ids
    assert model.inner.y == pytest.approx(
        five_field.labels[list(DataConfig().target_names)].to_numpy()
    )


@pytest.mark.parametrize("kernel", ["linear", "rbf", "gaussian_process"])
def test_an_inner_prediction_has_not_seen_its_part(five_field, kernel, monkeypatch):
    """Other labels and features in a part: what is predicted of it changes by features alone."""
    groups = five_field.labels["group"].to_numpy(str)
    part = inner_parts(groups, n_parts=5, seed=0)[2]
    columns = list(DataConfig().target_names)
    poisoned = five_field.labels.copy()
    poisoned.loc[part, columns] += 1000.0
    one_setting = {"alphas": (0.1,), "relevances": (1.0,), "kernel": kernel}
    monkeypatch.setattr(families, "_WIDTHS", (0.1,))  # a choice looks at all parts
    clean = fit(five_field, **one_setting)
    other = fit_ridge(five_field.features, poisoned, recipe=recipe_of(**one_setting))
    assert other.inner.components[part] == pytest.approx(clean.inner.components[part], rel=1e-6)
    rest = np.setdiff1d(np.arange(len(groups)), part)
    assert np.abs(other.inner.components[rest] - clean.inner.components[rest]).max() > 1


def test_scaling_of_an_inner_part_does_not_know_its_features(five_field):
    """A giant in a part must not change the spread by which that part is scaled: it is clipped."""
    features, groups = five_field.features, five_field.labels["group"].to_numpy(str)
    part = inner_parts(groups, n_parts=5, seed=0)[0]
    wild = features.features.astype(np.float32)
    wild[features.rows(part[0])] *= 1e4
    ridge = {"alphas": (0.1,), "relevances": (0.0,), "poolings": ("mean",)}
    one = fit(five_field, **ridge).inner.components
    recipe = recipe_of(**ridge)
    other = fit_ridge(replace(features, features=wild), five_field.labels, recipe=recipe)
    assert other.inner.components[part[1:]] == pytest.approx(one[part[1:]], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "gaussian_process"])
def test_a_linear_density_is_learnt_and_holds_on_new_photos(make_field, one_target, kernel):
    field = make_field(one_target, 100)
    model = fit(field, one_target, kernel=kernel)
    new = make_field(one_target, 60, seed=9, name="new")
    y = new.labels["cover"].to_numpy()
    error = y - predict_points(model, new.features)[:, 0]
    assert 1 - (error**2).sum() / ((y - y.mean()) ** 2).sum() > 0.9


def test_a_relevance_is_chosen_where_few_features_matter(make_field, one_target):
    field = make_field(one_target, 60)
    chance = np.random.default_rng(1)
    tiles = field.features.features
    noise = chance.normal(size=(len(tiles), 300)).astype(np.float32)
    noisy = replace(field.features, features=np.concatenate([tiles, noise], axis=1))
    ridge = {"transforms": ("raw",), "poolings": ("mean",)}
    recipe = recipe_of(one_target, relevances=(0.0, 1.0), **ridge)
    model = fit_ridge(noisy, field.labels, recipe=recipe)
    plain = recipe_of(one_target, relevances=(0.0,), **ridge)
    assert model.members[0].relevance == 1.0
    error = np.abs(model.inner.component_residuals(model.targets)).mean()
    without = fit_ridge(noisy, field.labels, recipe=plain).inner
    assert error < np.abs(without.component_residuals(model.targets)).mean()


def test_sums_follow_and_nothing_is_negative(five_field, model):
    found = predict_ridge(model, five_field.features, spec=SPEC)
    data = DataConfig()
    frame = found.frame().pivot_table(index="image_id", columns="target", values="y_pred")
    assert frame["Dry_Total_g"].to_numpy() == pytest.approx(
        frame[list(data.components)].sum(axis=1).to_numpy(), abs=1e-9
    )
    assert found.components.min() >= 0


def test_a_photo_from_another_world_cannot_leave_the_training_range(five_field):
    model = fit(five_field, transforms=("raw",))
    features = five_field.features
    wild = replace(features, features=np.full(features.features.shape, 3e4, dtype=np.float32))
    member = model.members[0]
    reach = member.scale.clip * (member.scale.weight.ravel() @ np.abs(member.machine.weights))
    limit = np.maximum(member.machine.intercept + reach, 0)
    assert (predict_points(model, wild) <= limit + 1e-9).all()


def test_a_foreign_photo_is_novel(five_field, model):
    features = five_field.features
    wild = replace(features, features=np.full(features.features.shape, 3e4, dtype=np.float32))
    assert (novelty_percentile(model, wild) > 95).all()
    assert np.median(novelty_percentile(model, features)) < 95


def test_features_of_another_width_are_refused(five_field, model):
    narrow = replace(five_field.features, features=five_field.features.features[:, :3])
    with pytest.raises(FeatureWidthError, match="3 wide, but the model was trained on 8"):
        predict_ridge(model, narrow, spec=SPEC)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused_by_photo(five_field, model, strange):
    features = five_field.features
    wild = features.features.astype(np.float32)
    wild[features.rows(3), 2] = strange
    broken = replace(features, features=wild)
    for ask in (
        lambda: fit_ridge(broken, five_field.labels, recipe=recipe_of(poolings=("max",))),
        lambda: predict_ridge(model, broken, spec=SPEC),
    ):
        with pytest.raises(StrangeFeaturesError, match=r"Features of 1 photo.*: photo003\."):
            ask()


def test_one_group_is_refused(five_field):
    labels = five_field.labels.assign(group="only")
    with pytest.raises(TooFewGroupsError, match="all of one group"):
        fit_ridge(five_field.features, labels, recipe=recipe_of())


def test_what_decides_the_ridge_is_its_section_and_the_inner_split():
    base = TrainingConfig().decides_ridge()
    assert TrainingConfig(learning_rate=0.5, model="ridge").decides_ridge() == base
    assert TrainingConfig(ridge=RidgeConfig(clip=3.0)).decides_ridge() != base
    assert TrainingConfig(inner_fraction=0.5).decides_ridge() != base
