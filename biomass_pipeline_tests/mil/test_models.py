"""A fold's models side by side: one is taken, and it is predicted exactly as by itself."""

from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.mil.models import FoldModels
from biomass_pipeline.mil.prediction import predict
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.ridge import fit_ridge, novelty_percentile, predict_ridge

SPEC = PredictionSpec.from_config(EvaluationConfig(n_draws=20))


@pytest.fixture(scope="module")
def models(five_trained, five_field, five_recipe):
    ridge = fit_ridge(five_field.features, five_field.labels, recipe=five_recipe)
    return FoldModels(five_trained, ridge)


@pytest.fixture(scope="module")
def new(five_field):
    """Photos that no model has seen."""
    chance = np.random.default_rng(9)
    rows = five_field.features.features
    return replace(five_field.features, features=rows + chance.normal(0, 0.3, rows.shape))


@pytest.fixture(scope="module")
def found(models, new):
    return models.predict(new, spec=SPEC)


def same(one, other):
    arrays = ("components", "lower", "upper", "draws")
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in arrays
    )


def test_each_model_predicts_as_by_itself(models, found, new):
    assert list(found) == ["mil", "ridge", "stack", "auto"]
    assert same(found["mil"], predict(models.network, new, spec=SPEC))
    assert same(found["ridge"], predict_ridge(models.ridge, new, spec=SPEC))


def test_auto_is_the_one_that_was_chosen(models, found):
    choice = models.choice()
    assert found["auto"] is found[choice.model]
    assert choice.model in {"mil", "ridge", "stack"}
    assert set(choice.scores) >= {"mil", "ridge", "stack"}


def test_the_choice_is_made_of_inner_predictions_alone(models, new):
    """A ridge whose inner predictions are the truth is chosen, however it predicts new photos."""
    truth = models.ridge.inner.y[:, list(models.network.targets.component_columns)]
    sure = replace(models.ridge, inner=replace(models.ridge.inner, components=truth))
    ruined = replace(
        models.network,
        inner=replace(
            models.network.inner, components=np.full_like(models.network.inner.components, 1e3)
        ),
    )
    assert FoldModels(ruined, sure).choice().model == "ridge"
    before = models.choice()
    models.predict(new, spec=SPEC)
    assert models.choice().model == before.model


def test_every_model_keeps_the_identities(found):
    for predictive in found.values():
        columns = list(predictive.targets.component_columns)
        assert predictive.y == pytest.approx(
            predictive.targets.sums(predictive.y[:, columns]), abs=1e-9
        )
        assert predictive.targets.names == DataConfig().target_names


def test_novelty_is_the_ridges_by_photo(models, five_field):
    features = five_field.features
    found = models.novelty(features)
    assert list(found) == list(features.image_ids)
    assert list(found.values()) == novelty_percentile(models.ridge, features).tolist()
    assert all(0 <= percentile <= 100 for percentile in found.values())
    far = replace(features, features=features.features + np.float16(50))
    assert min(models.novelty(far).values()) > 90
