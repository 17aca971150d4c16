from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.evaluation.alarms import alarms
from biomass_pipeline_tests.evaluation.season import DATA, season
from biomass_pipeline_tests.evaluation.test_feature_leaks import copied, with_feature

FIELD = season()
HONEST = {
    "protocols": {
        "group-k-fold-4": {"kind": "grouped", "models": {}},
        "random-4": {"kind": "random", "models": {}},
    },
    "random_minus_grouped": {"constant": 0.3, "ridge": 0.1},
}


def scored(mean, within=None):
    return {"weighted_r2": {"mean": mean}, "within_r2": within}


def oof(*, error_g=1.0, models=("constant", "ridge", "mil", "auto"), field=FIELD):
    """Predictions that err by a known sd; the constant predicts the mean."""
    chance = np.random.default_rng(1)
    labels, parts = field.labels, []
    for model in models:
        guess = labels["mass_g"] + chance.normal(0, error_g, len(labels))
        parts.append(
            pd.DataFrame(
                {
                    "image_id": labels["image_id"],
                    "fold": labels["group"].astype("category").cat.codes % 4,
                    "group": labels["group"],
                    "target": "mass_g",
                    "y_true": labels["mass_g"],
                    "y_pred": labels["mass_g"].mean() if model == "constant" else guess,
                    "model": model,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def raised(table, **known):
    return {alarm.name: alarm for alarm in alarms(table, data=DATA, **known) if alarm.raised}


def test_an_honest_score_above_the_groups_means_raises_no_alarm():
    found = alarms(oof(), data=DATA, features=FIELD.features, comparison=HONEST)
    assert [alarm.name for alarm in found] == [
        "below_floor",
        "group_identity",
        "unrepeated_score",
        "optimistic_gap",
        "leaking_feature",
        "twins_across_folds",
    ]
    assert not any(alarm.raised for alarm in found)
    # Who has nothing to do is told to do nothing.
    assert not any("To do" in alarm.sentence for alarm in found)
    identity = found[1]
    assert "where knowing every session's mean would give 0.9" in identity.sentence
    assert "(so it is above what that allows)" in identity.sentence
    assert 0 < identity.value < identity.limit


def test_what_could_not_be_looked_at_says_so():
    found = alarms(oof(models=("ridge",)), data=DATA)
    quiet = {alarm.name: alarm for alarm in found if alarm.value is None}
    assert set(quiet) == {"below_floor", "unrepeated_score", "optimistic_gap"}
    assert quiet["optimistic_gap"].sentence == "Not looked at: run `biomass validate`."
    single = season(n_groups=30, per_group=1)
    found = alarms(oof(field=single), data=DATA, features=single.features)
    quiet = {alarm.name for alarm in found if alarm.value is None}
    assert {"group_identity", "leaking_feature"} <= quiet


def test_a_network_below_the_constant_raises_an_alarm():
    table = oof()
    table.loc[table["model"] == "mil", "y_pred"] = 0.0
    (alarm,) = raised(table).values()
    assert alarm.name == "below_floor"
    assert alarm.value < alarm.limit == 0
    assert alarm.sentence.startswith("Model mil scores -")
    assert "To do: check that photos and labels belong together" in alarm.sentence


def test_a_leaked_label_raises_an_alarm_by_the_scores_alone():
    (alarm,) = raised(oof(error_g=0.05)).values()
    assert alarm.name == "group_identity"
    assert alarm.value > alarm.limit == 0.985
    assert "made of the labels" in alarm.sentence


def test_new_sessions_predicted_better_than_known_ones_raise_an_alarm():
    random = {"kind": "random", "models": {m: scored(0.5, 0.1) for m in ("ridge", "mil", "auto")}}
    known = HONEST | {"protocols": {"random-4": random}}
    (alarm,) = raised(oof(), comparison=known).values()
    assert alarm.name == "group_identity"
    assert alarm.limit == pytest.approx(0.25)


def test_recognising_sessions_only_raises_no_alarm_about_identity():
    table = oof()
    means = table.groupby("group")["y_true"].transform("mean")
    table.loc[table["model"] != "constant", "y_pred"] = means
    assert "group_identity" not in raised(table)
    told = {alarm.name: alarm.sentence for alarm in alarms(table, data=DATA)}
    assert "above what that allows" not in told["group_identity"]


def test_a_score_that_retraining_does_not_repeat_raises_an_alarm():
    grouped = {"kind": "grouped", "models": {"constant": scored(-0.1), "mil": scored(0.6)}}
    (alarm,) = raised(oof(), comparison={"protocols": {"group-k-fold-4": grouped}}).values()
    assert alarm.name == "unrepeated_score"
    assert alarm.value > alarm.limit
    assert "empty checkpoint folder" in alarm.sentence


def test_a_wide_gap_to_random_folds_raises_an_alarm():
    (alarm,) = raised(oof(), comparison={"random_minus_grouped": {"mil": 0.4}}).values()
    assert alarm.name == "optimistic_gap"
    assert (alarm.value, alarm.limit) == (0.4, 0.15)
    assert "quote grouped scores only" in alarm.sentence


@pytest.mark.parametrize("models", [("mil", "ridge"), ("ridge", "mil")])
def test_the_widest_gap_is_the_one_that_is_told(models):
    gaps = dict(zip(models, (0.4, 0.2), strict=True))
    for order in (gaps, dict(reversed(gaps.items()))):
        comparison = {"random_minus_grouped": order}
        (alarm,) = raised(oof(), comparison=comparison).values()
        assert alarm.value == 0.4
        assert alarm.sentence.startswith(f"Model {models[0]} scores +0.400")


def test_a_leaked_feature_raises_an_alarm():
    features = with_feature(FIELD, FIELD.labels["mass_g"])
    (alarm,) = raised(oof(), features=features).values()
    assert alarm.name == "leaking_feature"
    assert alarm.sentence.startswith("Feature 16 alone correlates 1.0000 with mass_g")


def test_a_copied_photo_raises_an_alarm():
    (alarm,) = raised(oof(), features=copied(FIELD, 0, 99)).values()
    assert alarm.name == "twins_across_folds"
    assert "1 pair(s)" in alarm.sentence
    assert "photo000 and photo099" in alarm.sentence


def test_photos_that_nobody_predicted_take_no_part():
    table = oof()
    table = table[table["image_id"] != "photo099"]
    assert raised(table, features=copied(FIELD, 0, 99)) == {}
    strange = replace(FIELD.features, image_ids=tuple(f"x{n}" for n in range(100)))
    found = {a.name: a for a in alarms(table, data=DATA, features=strange)}
    assert found["leaking_feature"].value is None
    assert found["twins_across_folds"].value == 0
