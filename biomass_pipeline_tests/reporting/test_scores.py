from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.scores import (
    Breakdown,
    Contest,
    Coverage,
    FoldChoice,
    GlobalScore,
    model_name,
    read_scores,
)

DATA = DataConfig(
    targets=(TargetConfig(name="b"), TargetConfig(name="a")),
    identities={},
    group_columns=("State",),
)
LINE = {"n": 4, "r2": None, "rmse": 1.0, "mae": 0.5, "bias": -0.1}
BARE = {"weighted_r2": 0.5, "targets": {"a": LINE, "b": LINE}}


def metrics(**models):
    return {"n_images": 4, "n_groups": 2, "models": models}


def test_models_come_floor_first_and_targets_as_configured():
    scores = read_scores(metrics(mil=BARE, constant=BARE, ridge=BARE), data=DATA)

    assert list(scores.models) == ["constant", "ridge", "mil"]
    assert list(scores.targets) == ["b", "a"]


def test_a_model_that_did_not_run_is_left_out():
    assert list(read_scores(metrics(ridge=BARE), data=DATA).models) == ["ridge"]


def test_metrics_without_intervals_and_breakdowns_can_be_shown():
    scores = read_scores(metrics(mil=BARE), data=DATA)

    assert scores.level is None
    assert scores.models["mil"] == GlobalScore(0.5)
    assert scores.coverage == {"b": {}, "a": {}}
    assert [each.parts for each in scores.breakdowns] == [{}, {}]


def test_intervals_are_read_with_the_level_they_promise():
    covered = {**LINE, "coverage": 0.75, "interval_width": 3.0}
    mil = {
        **BARE,
        "weighted_r2_interval": [0.4, 0.6],
        "targets": {"a": covered, "b": {**LINE, "coverage": None}},
    }

    scores = read_scores(
        {**metrics(mil=mil), "interval_level": 0.9, "bootstrap_level": 0.95}, data=DATA
    )

    assert scores.level == 0.95
    assert scores.models["mil"] == GlobalScore(0.5, 0.4, 0.6)
    assert scores.coverage == {"b": {}, "a": {"mil": Coverage(0.9, 0.75, 3.0)}}


def test_parts_gather_the_scores_of_all_models():
    def parts(r2):
        return {**BARE, "group_columns": {"State": {"WA": {"n": 4, "weighted_r2": r2}}}}

    scores = read_scores(metrics(constant=parts(0.1), mil=parts(None)), data=DATA)

    assert scores.breakdowns[-1] == Breakdown("State", {"WA": (4, {"constant": 0.1, "mil": None})})


def test_a_model_from_elsewhere_comes_last_under_its_own_name():
    scores = read_scores(metrics(xgb=BARE, auto=BARE, stack=BARE), data=DATA)

    assert list(scores.models) == ["stack", "auto", "xgb"]
    assert model_name("xgb") == "xgb"


def test_the_headline_is_the_named_model_or_else_the_last():
    both = metrics(ridge=BARE, mil=BARE)

    assert read_scores({**both, "headline_model": "ridge"}, data=DATA).headline == "ridge"
    assert read_scores({**both, "headline_model": "gone"}, data=DATA).headline == "mil"
    assert read_scores(metrics(), data=DATA).headline is None


def test_contests_and_choices_are_read_when_they_are_there():
    scores = read_scores(
        {
            **metrics(mil=BARE),
            "comparisons": [
                {
                    "model": "mil",
                    "against": "ridge",
                    "difference": 0.1,
                    "lower": 0.0,
                    "upper": 0.2,
                    "p_value": 0.05,
                    "effect_size": None,
                    "n_groups": 9,
                }
            ],
            "choices": {"0": {"model": "mil", "scores": {"mil": 0.5}}},
        },
        data=DATA,
    )

    assert scores.contest("mil", "ridge") == Contest("mil", "ridge", 0.1, 0.0, 0.2, 0.05, None)
    assert scores.contest("ridge", "mil") is None
    assert scores.choices == (FoldChoice("0", "mil", {"mil": 0.5}),)
