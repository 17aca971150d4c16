import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import DataConfig, RidgeConfig, TrainingConfig
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.targets import align_labels
from biomass_pipeline.mil.training import FitOptions, Parts
from biomass_pipeline.mil.tuning.scorers import NetworkScorer, RidgeScorer, weighted_spread
from biomass_pipeline.scoring import weighted_r2

TINY = TrainingConfig(hidden_dim=4, epochs=2, n_seeds=1, learning_rate=1e-2)


@given(seed=st.integers(0, 99), unit=st.floats(0.1, 1e3))
def test_an_epochs_error_becomes_the_r2_that_trials_are_scored_by(seed, unit):
    data, chance = DataConfig(), np.random.default_rng(seed)
    y, predicted = unit * chance.gamma(1.0, size=(2, 7, len(data.targets)))
    weights = np.array(list(data.target_weights.values()))
    error = (((y - predicted) ** 2).mean(axis=0) * weights / weights.sum()).sum()
    r2 = weighted_r2(y, predicted, targets=data.target_names, weights=data.target_weights)
    assert 1 - error / weighted_spread(y, data=data) == pytest.approx(r2)


def test_labels_that_are_all_alike_have_no_spread():
    with pytest.raises(UndefinedScoreError, match="labels are alike"):
        weighted_spread(np.ones((3, 5)), data=DataConfig())


@pytest.fixture
def field(make_field):
    return make_field(DataConfig(), 24)


def network_scorer(field, *, n_parts=1):
    data = DataConfig()
    labelled = align_labels(field.labels, field.features.image_ids, names=data.target_names)
    parts = tuple(Parts.of_seed(labelled, TINY, number=number) for number in range(n_parts))
    bags = BagBatch.from_feature_set(field.features)
    return NetworkScorer(bags, labelled, data, parts, FitOptions())


@pytest.mark.parametrize("head", ["components", "independent"])
def test_a_networks_score_is_that_of_its_best_epoch(field, head):
    told = []
    score = network_scorer(field).score(
        TINY.model_copy(update={"head": head}), on_epoch=lambda *epoch: told.append(epoch)
    )
    assert [epoch for epoch, _ in told] == [0, 1]
    assert score == pytest.approx(max(r2 for _, r2 in told), abs=1e-5)


def test_more_inner_parts_are_scored_together_and_told_once(field):
    told = []
    scorer = network_scorer(field, n_parts=2)
    score = scorer.score(TINY, on_epoch=lambda *epoch: told.append(epoch))
    alone = network_scorer(field).score(TINY, on_epoch=lambda *_: None)
    assert len(told) == 2
    assert score != alone
    assert not set(scorer.parts[0].inner) & set(scorer.parts[1].inner)


def test_the_ridge_is_scored_by_its_own_inner_groups(field):
    scorer = RidgeScorer(field.features, field.labels, DataConfig())
    told = []
    weak, fair = (
        scorer.score(
            TrainingConfig(model="ridge", ridge=RidgeConfig(alphas=(alpha,))),
            on_epoch=lambda *epoch: told.append(epoch),
        )
        for alpha in (1e9, 1.0)
    )
    assert not told
    assert weak < fair < 1
