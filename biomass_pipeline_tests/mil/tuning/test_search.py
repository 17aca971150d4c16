"""Studies of real, tiny networks: what they see, what they keep, what they never see."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from biomass_pipeline.config import (
    DataConfig,
    SearchConfig,
    TrainingConfig,
    TuningConfig,
    parse_config,
)
from biomass_pipeline.errors import (
    SearchSpaceError,
    TooFewGroupsError,
    UndefinedScoreError,
    UnlabelledBagError,
)
from biomass_pipeline.mil.tuning import Search, recommended_yaml, tune
from biomass_pipeline.store.bags import FeatureSet

TINY = TrainingConfig(hidden_dim=4, epochs=2, n_seeds=1, learning_rate=1e-2)
SPACE = {
    "learning_rate": SearchConfig(low=1e-4, high=1e-1, log=True),
    "aggregator": SearchConfig(choices=("mean", "additive_density", "map")),
    # 6 is no multiple of `map`'s four heads.
    "hidden_dim": SearchConfig(choices=(4, 6)),
}
TUNING = TuningConfig(n_trials=3, sampler="random", space=SPACE)
SEARCH = Search(DataConfig(), TINY, TUNING, extraction="e")


def asking(n_trials=3, **changes):
    tuning = TUNING.model_copy(update={"n_trials": n_trials})
    return replace(SEARCH, tuning=tuning, **changes)


@pytest.fixture
def field(make_field):
    return make_field(DataConfig(), 24)


@pytest.fixture
def train(field):
    """All photos but those of the groups g0 and g1."""
    held = {"g0", "g1"}
    keep = [i for i, group in enumerate(field.labels["group"]) if group not in held]
    features = field.features
    rows = np.concatenate([np.arange(features.offsets[i], features.offsets[i + 1]) for i in keep])
    lengths = np.diff(features.offsets)[keep]
    return FeatureSet(
        features=features.features[rows],
        coords=features.coords[rows],
        area_weight=features.area_weight[rows],
        image_ids=tuple(features.image_ids[i] for i in keep),
        image_sha256=tuple(features.image_sha256[i] for i in keep),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def table(result):
    return result.trials.drop(columns="duration_s")


def test_poisoned_labels_of_the_held_out_fold_change_nothing(field, train, database):
    poisoned = field.labels.copy()
    held = ~poisoned["image_id"].isin(train.image_ids)
    assert held.sum() == 6
    poisoned.loc[held, list(DataConfig().target_names)] = [1e9, np.nan, -5, 1e6, 0]
    poisoned.loc[held, "group"] = "g2"
    clean, other = (
        tune("fold_0", train, labels, search=asking(), storage_url=database(name))
        for name, labels in (("clean", field.labels), ("poisoned", poisoned))
    )
    assert table(clean).equals(table(other))
    assert clean.study == other.study


def test_poisoned_labels_of_training_photos_are_another_study(field, train, url):
    clean = tune("fold_0", train, field.labels, search=asking(1), storage_url=url)
    poisoned = field.labels.copy()
    poisoned.loc[poisoned["image_id"] == train.image_ids[0], "Dry_Total_g"] += 1
    other = tune("fold_0", train, poisoned, search=asking(1), storage_url=url)
    assert clean.study != other.study
    assert len(clean.trials) == len(other.trials) == 1


def test_a_study_goes_on_to_the_wanted_count_as_if_never_stopped(field, train, database):
    parts, whole = database("parts"), database("whole")
    for n_trials in (2, 4):
        resumed = tune("all", train, field.labels, search=asking(n_trials), storage_url=parts)
        assert len(resumed.trials) == n_trials
    straight = tune("all", train, field.labels, search=asking(4), storage_url=whole)
    assert table(straight).equals(table(resumed))


def test_the_configured_settings_come_first_and_the_yaml_is_the_best(field, train, url):
    result = tune("all", train, field.labels, search=asking(4), storage_url=url)
    space = SEARCH.space()
    first = result.trials.iloc[0]
    assert space.settings(first["params"]) == TINY
    assert first["state"] == "complete"
    assert result.best_value >= first["value"]
    loaded = parse_config(yaml.safe_load(recommended_yaml(space, result)), source="it").training
    assert loaded == space.settings(result.best)
    assert loaded.model_copy(update=dict(TINY.model_dump(include=set(SPACE)))) == TINY


def test_the_ridge_is_tuned_where_it_is_the_model(field, train, url):
    search = Search(
        DataConfig(),
        TrainingConfig(model="ridge"),
        TuningConfig(n_trials=3, space={"ridge.clip": SearchConfig(low=0.1, high=1)}),
        extraction="e",
    )
    result = tune("all", train, field.labels, search=search, storage_url=url)
    assert list(result.trials["state"]) == ["complete"] * 3
    assert result.trials["value"].nunique() == 3


def test_a_space_that_cannot_be_is_refused_before_the_database_is_made(field, train, tmp_path):
    tuning = TuningConfig(space={"learning_rat": SearchConfig(low=0, high=1)})
    with pytest.raises(SearchSpaceError, match="did you mean `learning_rate`"):
        tune(
            "all",
            train,
            field.labels,
            search=replace(SEARCH, tuning=tuning),
            storage_url=f"sqlite:///{tmp_path}/studies.db",
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group": "one"}, TooFewGroupsError),
        ({"Dry_Total_g": np.nan}, UnlabelledBagError),
        (dict.fromkeys(DataConfig().target_names, 1.0), UndefinedScoreError),
    ],
)
def test_labels_that_cannot_be_learnt_from_are_named(field, train, url, change, error):
    with pytest.raises(error):
        tune("all", train, field.labels.assign(**change), search=asking(), storage_url=url)
