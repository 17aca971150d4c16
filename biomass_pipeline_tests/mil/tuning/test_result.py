import json

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.config import SearchConfig, TrainingConfig, TuningConfig, parse_config
from biomass_pipeline.errors import EmptyStudyError
from biomass_pipeline.mil.tuning.objective import Objective
from biomass_pipeline.mil.tuning.result import (
    NestedScore,
    StudyResult,
    recommended_yaml,
    tuning_report,
)
from biomass_pipeline.mil.tuning.space import Space
from biomass_pipeline.mil.tuning.study import CONFIGURED, REASON

SPACE = Space.of(
    TrainingConfig(epochs=1),
    {"dropout": SearchConfig(low=0, high=0.9), "mixup": SearchConfig(low=0, high=1)},
)


def study_of(space=SPACE, *, scorer=None, n_trials=0, pruner=None):
    study = optuna.create_study(
        direction="maximize", study_name="all-1f2e", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.enqueue_trial(
        space.configured_within(), user_attrs={CONFIGURED: dict(space.configured())}
    )
    if n_trials:
        study.optimize(Objective(space, scorer), n_trials=n_trials)
    return study


def result_with(best, *, value=0.5, space=SPACE):
    """A study whose only trial has the given values."""
    study = optuna.create_study(direction="maximize", study_name="all-1f2e")
    trial = optuna.create_trial(value=value, user_attrs={CONFIGURED: best})
    study.add_trial(trial)
    return StudyResult.of(study, space)


def test_the_best_trial_is_never_worse_than_the_configured_settings(HillScorer):  # noqa: N803
    for dropout in (0.0, 0.3, 0.85):
        space = Space.of(TrainingConfig(epochs=1, dropout=dropout), SPACE.dimensions)
        result = StudyResult.of(study_of(space, scorer=HillScorer(), n_trials=4), space)
        first = result.trials.iloc[0]
        assert first["params"] == {"dropout": dropout, "mixup": 0.0}
        assert result.best_value == result.trials["value"].max() >= first["value"]
        assert 1 - (result.best["dropout"] - 0.3) ** 2 == result.best_value


def test_what_matters_is_told_and_adds_up_to_one(HillScorer):  # noqa: N803
    study = study_of(scorer=HillScorer(), n_trials=30)
    first, again = (StudyResult.of(study, SPACE).importance for _ in range(2))
    assert first == again
    assert list(first) == ["dropout", "mixup"]
    assert first["dropout"] > 0.8
    assert sum(first.values()) == pytest.approx(1)


def test_few_trials_tell_nothing_and_say_so(HillScorer):  # noqa: N803
    result = StudyResult.of(study_of(scorer=HillScorer(), n_trials=3), SPACE)
    assert result.importance == {}
    assert result.importance_reason == "10 completed trials are needed, there are 3"


def test_equal_scores_tell_nothing_and_say_so():
    class Flat:
        def score(self, training, *, on_epoch):
            return 0.5

    result = StudyResult.of(study_of(scorer=Flat(), n_trials=12), SPACE)
    assert (result.importance, result.importance_reason) == (
        {},
        "all completed trials have the same score",
    )
    assert result.best == SPACE.configured()


def test_a_study_without_a_completed_trial_says_why():
    study = optuna.create_study(study_name="fold_0-1f2e")
    with pytest.raises(EmptyStudyError, match=r"Study fold_0-1f2e has .* since none was run"):
        StudyResult.of(study, SPACE)
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.PRUNED, user_attrs={REASON: "it diverged"}
        )
    )
    with pytest.raises(EmptyStudyError, match="has no completed trial: it diverged"):
        StudyResult.of(study, SPACE)


def test_the_report_is_json_with_every_trial(HillScorer):  # noqa: N803
    study = study_of(scorer=HillScorer(), n_trials=2)
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.PRUNED, user_attrs={REASON: "it diverged"}
        )
    )
    result = StudyResult.of(study, SPACE)
    nested = NestedScore(r2=0.5, untuned_r2=0.4, difference=0.1, n_images=9)
    report = json.loads(json.dumps(tuning_report(result, nested), allow_nan=False))
    assert [(row["number"], row["state"]) for row in report["trials"]] == [
        (0, "complete"),
        (1, "complete"),
        (2, "pruned"),
    ]
    assert report["trials"][2]["value"] is None
    assert report["trials"][2]["reason"] == "it diverged"
    assert report["best"] == dict(result.best)
    assert report["nested"] == {
        "r2": 0.5,
        "untuned_r2": 0.4,
        "difference": 0.1,
        "n_images": 9,
    }
    assert tuning_report(result, None)["nested"] is None


@settings(max_examples=30)
@given(
    base=st.builds(
        TrainingConfig,
        epochs=st.integers(1, 99),
        loss=st.sampled_from(["huber", "ziln", {"huber": 2.0, "tweedie": 0.5}]),
        n_seeds=st.integers(1, 9),
        covariates=st.sampled_from([(), ("season",)]),
    ),
    rate=st.floats(1e-8, 1e3),
    loss=st.sampled_from(["huber", "squared_error", "gamma_hurdle"]),
    width=st.integers(1, 500),
)
def test_the_recommended_yaml_loads_and_is_the_best_settings(base, rate, loss, width):
    space = Space(base, TuningConfig().space)
    best = space.configured() | {"learning_rate": rate, "loss": loss, "hidden_dim": width}
    text = recommended_yaml(space, result_with(best, space=space))
    assert parse_config(yaml.safe_load(text), source="it").training == space.settings(best)


def test_the_recommended_yaml_names_what_was_searched_and_no_more_than_needed():
    text = recommended_yaml(SPACE, result_with({"dropout": 0.5, "mixup": 0.0}, value=0.91))
    assert yaml.safe_load(text) == {"training": {"dropout": 0.5, "mixup": 0.0, "epochs": 1}}
    assert "study all-1f2e, the best of 1 trials" in text
    assert "0.9100 is the highest of many and no estimate" in text


def test_a_searched_section_is_told_whole():
    ridge = TrainingConfig(model="ridge")
    space = Space.of(ridge, {"ridge.clip": SearchConfig(low=1, high=9)})
    text = recommended_yaml(space, result_with({"ridge.clip": 3.0}, space=space))
    assert parse_config(yaml.safe_load(text), source="it").training == space.settings(
        {"ridge.clip": 3.0}
    )
