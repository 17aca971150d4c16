import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.trust import LevelLine, ReliabilityPoint, read_trust

DATA = DataConfig(targets=(TargetConfig(name="a"),), identities={}, group_columns=("State",))
LINE = {
    "crps": 2.0,
    "pit_histogram": [0.1] * 10,
    "presence": {
        "zeros": 0.25,
        "brier": 0.1,
        "reliability": [{"lower": 0.0, "upper": 0.1, "n": 4, "stated": 0.05, "observed": 0.5}],
    },
    "intervals": {
        "50": {"coverage": 0.6, "width": 3.0, "group_coverage": 0.55},
        "90": {"coverage": None, "width": None},
    },
}
PART = {
    "n": 7,
    "n_groups": 2,
    "targets": {"a": {"coverage": 0.8, "interval_width": 9.0}},
}
METRICS = {
    "interval_level": 0.9,
    "interval_levels": [0.5, 0.9],
    "models": {"mil": {"targets": {"a": LINE}, "group_columns": {"State": {"WA": PART}}}},
    "refused_levels": [
        {"level": 0.9, "model": "mil", "folds": [0, 2], "reason": "there are few groups"},
        {"level": 0.9, "model": "ridge", "folds": [1], "reason": "of no interest here"},
    ],
    "paddocks": {"target": "a"},
    "out_of_domain": None,
}


def test_the_levels_rise_and_a_refused_one_has_no_number():
    found = read_trust(METRICS, data=DATA, model="mil")

    assert found.calibration["a"].levels == (
        LevelLine(0.5, 0.6, 3.0, by_group=0.55),
        LevelLine(0.9, None, None),
    )
    assert found.calibration["a"].reliability == (ReliabilityPoint(0.05, 0.5, 4),)
    assert (found.level, found.paddocks) == (0.9, {"target": "a"})


def test_the_parts_hold_the_headline_level():
    (part,) = read_trust(METRICS, data=DATA, model="mil").parts

    assert (part.column, part.value, part.n) == ("State", "WA", 7)
    assert part.targets == {"a": LevelLine(0.9, 0.8, 9.0)}


def test_only_the_models_own_refusals_are_told():
    (sentence,) = read_trust(METRICS, data=DATA, model="mil").refusals

    assert sentence == "No 90 % intervals in folds 0, 2: there are few groups."


@pytest.mark.parametrize("metrics", [{**METRICS, "interval_levels": []}, {"models": {}}])
def test_metrics_without_distributions_say_nothing_of_trust(metrics):
    assert read_trust(metrics, data=DATA, model="mil") is None
