"""Trials of a scorer that only tells what it was asked."""

from dataclasses import dataclass

import optuna
import pytest

from biomass_pipeline.config import SearchConfig, TrainingConfig
from biomass_pipeline.errors import DivergenceCause, EmptyBagError, TrainingDivergedError
from biomass_pipeline.mil.tuning.objective import Objective
from biomass_pipeline.mil.tuning.space import Space
from biomass_pipeline.mil.tuning.study import CONFIGURED, REASON

DROPOUT = {"dropout": SearchConfig(low=0.0, high=0.9)}
CAUSE = DivergenceCause(features_of=[], labels_of=[], learning_rate=9.0)
DIVERGED = TrainingDivergedError(where="it", epoch=3, image_ids=["a"], cause=CAUSE)


def run(objective, *, configured=None, n_trials=1, pruner=None):
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=pruner or optuna.pruners.NopPruner(),
    )
    if configured is not None:
        study.enqueue_trial({}, user_attrs={CONFIGURED: configured})
    study.optimize(objective, n_trials=n_trials)
    return study.trials


@dataclass
class FailingScorer:
    error: Exception | None = None
    value: float = float("nan")

    def score(self, training, *, on_epoch):
        if self.error is not None:
            raise self.error
        return self.value


def test_a_trial_is_scored_by_the_settings_it_was_given(HillScorer):  # noqa: N803
    scorer = HillScorer()
    training = TrainingConfig(epochs=1)
    (trial,) = run(Objective(Space.of(training, DROPOUT), scorer))
    dropout = trial.params["dropout"]
    assert scorer.seen == [training.model_copy(update={"dropout": dropout})]
    assert trial.value == 1 - (dropout - 0.3) ** 2


def test_every_fifth_epoch_is_reported(HillScorer):  # noqa: N803
    space = Space.of(TrainingConfig(epochs=12), DROPOUT)
    (trial,) = run(Objective(space, HillScorer()))
    assert list(trial.intermediate_values) == [4, 9]


def test_configured_settings_are_run_as_they_are_even_outside_of_the_space(HillScorer):  # noqa: N803
    training = TrainingConfig(dropout=0.95, hidden_dim=64, epochs=1)
    space = Space.of(training, DROPOUT | {"hidden_dim": SearchConfig(low=8, high=128)})
    scorer = HillScorer()
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(
        space.configured_within(), user_attrs={CONFIGURED: dict(space.configured())}
    )
    study.optimize(Objective(space, scorer), n_trials=1)
    assert scorer.seen == [training]
    assert study.trials[0].params == {"hidden_dim": 64}


def test_nobody_cuts_the_configured_settings_short(HillScorer):  # noqa: N803
    space = Space.of(TrainingConfig(epochs=6), DROPOUT)
    hopeless = optuna.pruners.ThresholdPruner(lower=10)
    first, second = run(
        Objective(space, HillScorer()), configured=space.configured(), n_trials=2, pruner=hopeless
    )
    assert first.state is optuna.trial.TrialState.COMPLETE
    assert second.state is optuna.trial.TrialState.PRUNED
    assert second.user_attrs[REASON] == "hopeless after 5 epochs"


def test_settings_that_do_not_go_together_are_pruned_with_the_reason(HillScorer):  # noqa: N803
    space = Space.of(
        TrainingConfig(),
        {"aggregator": SearchConfig(choices=("map",)), "hidden_dim": SearchConfig(choices=(30,))},
    )
    (trial,) = run(Objective(space, HillScorer()))
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert "30 is no multiple of n_heads 4" in trial.user_attrs[REASON]


@pytest.mark.parametrize(
    ("scorer", "words"),
    [
        (FailingScorer(DIVERGED), "epoch 3"),
        (FailingScorer(EmptyBagError(["a"])), "no tile"),
        (FailingScorer(), "not finite"),
    ],
)
def test_settings_that_cannot_be_learnt_with_are_pruned_with_the_reason(scorer, words):
    (trial,) = run(Objective(Space.of(TrainingConfig(), DROPOUT), scorer))
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert words in trial.user_attrs[REASON]


def test_what_is_wrong_with_the_configured_settings_is_raised():
    space = Space.of(TrainingConfig(), DROPOUT)
    scorer = FailingScorer(EmptyBagError(["a"]))
    with pytest.raises(EmptyBagError):
        run(Objective(space, scorer), configured=space.configured())


def test_configured_settings_that_diverge_leave_the_search_to_others():
    space = Space.of(TrainingConfig(), DROPOUT)
    scorer = FailingScorer(DIVERGED)
    (trial,) = run(Objective(space, scorer), configured=space.configured())
    assert trial.state is optuna.trial.TrialState.PRUNED
