import json

import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation import pool_predictions
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.evaluation.contests import paired_comparisons


@pytest.fixture
def oof(folds, labels):
    return pool_predictions(folds, labels=labels)


def boards(oof, labels, data):
    return {
        name: Board.of(rows, labels, data=data, evaluation=EvaluationConfig())
        for name, rows in oof.groupby("model")
    }


def compared(oof, labels, data, *, seed=0):
    return paired_comparisons(boards(oof, labels, data), seed=seed, n_resamples=300)


def test_each_model_meets_the_ridge_and_the_floor(oof, labels, data):
    pairs = {(found["model"], found["against"]) for found in compared(oof, labels, data)}
    assert pairs == {("mil", "ridge"), ("mil", "constant"), ("ridge", "constant")}


def test_the_difference_is_that_of_the_global_scores(oof, labels, data):
    both = boards(oof, labels, data)
    for found in compared(oof, labels, data):
        first, other = both[found["model"]], both[found["against"]]
        assert found["difference"] == pytest.approx(first.weighted_r2() - other.weighted_r2())
        assert found["lower"] < found["difference"] < found["upper"]


def test_a_better_model_has_a_small_p_value_and_a_positive_effect(oof, labels, data):
    found = next(line for line in compared(oof, labels, data) if line["against"] == "constant")
    # A dozen groups, and an interval that is wide for so few: one in ten is what they can show.
    assert found["p_value"] < 0.1
    assert found["effect_size"] > 0


def test_a_copy_of_the_ridge_is_neither_better_nor_worse(oof, labels, data):
    copy = oof[oof["model"] == "ridge"].assign(model="mil")
    both = boards(oof[oof["model"] == "ridge"], labels, data) | boards(copy, labels, data)
    (found,) = paired_comparisons(both, seed=0, n_resamples=100)
    assert (found["difference"], found["p_value"], found["effect_size"]) == (0, 1, 0)


def test_one_group_says_nothing_about_others(oof, labels, data):
    found = compared(oof.assign(group="all"), labels, data)[0]
    assert found["lower"] is found["upper"] is found["p_value"] is None
    assert json.dumps(found, allow_nan=False)


def test_without_ridge_and_floor_there_is_no_contest(oof, labels, data):
    assert compared(oof[oof["model"] == "mil"], labels, data) == []
