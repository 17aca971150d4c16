"""Every fold predicts by its own model, as by itself; photos know nothing of each other."""

from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.config import EvaluationConfig, TrainingConfig
from biomass_pipeline.errors import FeatureWidthError, MissingCovariateError
from biomass_pipeline.inference import ensemble as module
from biomass_pipeline.inference.ensemble import Ensemble, Member, predict_ensemble, shared_variance
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.scoring import error_variance
from biomass_pipeline_tests.inference.models import SMALL, photos_like, same, untrained_fold

SPEC = PredictionSpec.from_config(EvaluationConfig(n_draws=40))
MODELS = ("mil", "ridge", "stack")


@pytest.fixture(scope="module")
def folds(field):
    return tuple(untrained_fold(field, SMALL, seed=seed) for seed in range(3))


@pytest.fixture(scope="module")
def new(field):
    return photos_like(field, 6)


@pytest.mark.parametrize("model", [*MODELS, "auto"])
def test_one_fold_alone_predicts_as_its_own_model(folds, new, model):
    """An ensemble of one disagrees with nobody."""
    found = predict_ensemble(Ensemble(folds[:1], model), new, spec=SPEC)
    own = folds[0].predict(new, spec=SPEC)[model]
    assert found.predictive.components == pytest.approx(own.components, rel=1e-6)
    assert found.predictive.upper == pytest.approx(own.upper, rel=1e-6, nan_ok=True)
    assert found.predictive.draws == pytest.approx(own.draws, rel=1e-6, abs=1e-6)
    assert (found.disagreement == 0).all()
    assert found.novelty.tolist() == list(folds[0].novelty(new).values())


@pytest.mark.parametrize("model", MODELS)
def test_points_and_doubts_are_those_of_the_folds(folds, new, model):
    found = predict_ensemble(Ensemble(folds, model), new, spec=SPEC)
    y = np.stack([fold.predict(new, spec=SPEC)[model].y for fold in folds])
    assert found.predictive.y == pytest.approx(y.mean(axis=0), rel=1e-6)
    assert found.disagreement == pytest.approx(y.std(axis=0), rel=1e-4, abs=1e-6)


def test_auto_takes_what_each_fold_chose(folds, new):
    """A fold whose ridge is right about its inner photos takes it; one whose ridge is not, not."""
    columns = list(folds[0].network.targets.component_columns)
    truth = folds[0].ridge.inner.y[:, columns]
    sure = replace(
        folds[0],
        ridge=replace(folds[0].ridge, inner=replace(folds[0].ridge.inner, components=truth)),
    )
    inner = folds[1].network.inner
    right = replace(
        folds[1],
        network=replace(folds[1].network, inner=replace(inner, components=inner.y[:, columns])),
    )
    assert [member.model for member in Ensemble((sure, right)).members()] == ["ridge", "mil"]
    found = predict_ensemble(Ensemble((sure, right)), new, spec=SPEC).predictive
    each = sure.predict(new, spec=SPEC)["ridge"].y, right.predict(new, spec=SPEC)["mil"].y
    assert found.y == pytest.approx(np.mean(each, axis=0), rel=1e-6)


@pytest.mark.parametrize(("n_draws", "expected"), [(40, 42), (20, 21), (30, 30)])
def test_folds_give_equal_shares_of_the_draws(folds, new, n_draws, expected):
    spec = replace(SPEC, n_draws=n_draws)
    found = predict_ensemble(Ensemble(folds), new, spec=spec)
    assert len(found.predictive.draws) == expected


@pytest.mark.parametrize("model", MODELS)
def test_photos_are_predicted_the_same_in_pieces(folds, new, model, monkeypatch):
    whole = predict_ensemble(Ensemble(folds, model), new, spec=SPEC)
    monkeypatch.setattr(module, "_PHOTOS_AT_ONCE", 2)
    pieces = predict_ensemble(Ensemble(folds, model), new, spec=SPEC)
    assert pieces.predictive.image_ids == new.image_ids
    for name in ("components", "lower", "upper", "draws"):
        one, other = getattr(whole.predictive, name), getattr(pieces.predictive, name)
        assert other == pytest.approx(one, rel=1e-5, abs=1e-6, nan_ok=True)
    assert pieces.novelty == pytest.approx(whole.novelty)
    assert pieces.disagreement == pytest.approx(whole.disagreement, rel=1e-4, abs=1e-6)
    assert pieces.variance == whole.variance


def test_the_same_call_gives_the_same_numbers(folds, new):
    one, other = (predict_ensemble(Ensemble(folds), new, spec=SPEC) for _ in range(2))
    assert same(one.predictive, other.predictive)


def test_identities_hold_in_points_and_draws(folds, new):
    found = predict_ensemble(Ensemble(folds, "mil"), new, spec=SPEC).predictive
    columns = list(found.targets.component_columns)
    for values in (found.y, found.draws):
        assert values == pytest.approx(found.targets.sums(values[..., columns]), abs=1e-9)


def test_strangers_are_far_and_known_photos_are_not(folds, new):
    ensemble = Ensemble(folds)
    far = replace(new, features=new.features + np.float16(50))
    assert predict_ensemble(ensemble, far, spec=SPEC).novelty.min() > 90
    assert predict_ensemble(ensemble, new, spec=SPEC).novelty.max() < 100


def test_no_photo_is_no_error(folds, field):
    found = predict_ensemble(Ensemble(folds), field.features.part(0, 0), spec=SPEC)
    assert len(found.frame(0.21)) == 0
    assert found.predictive.image_ids == ()


def test_features_of_another_width_are_refused(folds, new):
    narrow = replace(new, features=new.features[:, :3])
    with pytest.raises(FeatureWidthError, match="3 wide"):
        predict_ensemble(Ensemble(folds), narrow, spec=SPEC)


def test_covariates_that_were_never_missing_are_asked_for(field):
    training = TrainingConfig(**SMALL.model_dump() | {"covariates": ("height",)})
    known = replace(field, labels=field.labels.assign(height=np.arange(len(field.labels)) / 10))
    fold = untrained_fold(known, training)
    with pytest.raises(MissingCovariateError, match="height"):
        predict_ensemble(Ensemble((fold,), "mil"), photos_like(field), spec=SPEC)


def test_errors_are_shared_as_on_unseen_groups_of_training(folds):
    member = Member.of(folds[0], "ridge")
    targets = folds[0].network.targets
    (one,) = {shared_variance([member.inner] * n, targets) for n in (1, 2)}
    residuals = member.inner.residuals(targets)
    for column, found in enumerate(one):
        expected = error_variance(residuals[:, column], member.inner.groups)
        assert (found.between, found.within) == pytest.approx((expected.between, expected.within))


def test_one_group_tells_nothing_of_what_groups_share(folds):
    member = Member.of(folds[0], "ridge")
    alike = replace(member.inner, groups=np.full_like(member.inner.groups, "g"))
    found = shared_variance([member.inner, alike], folds[0].network.targets)
    assert all(np.isnan([one.between, one.within]).all() for one in found)
