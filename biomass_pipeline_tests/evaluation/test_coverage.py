import numpy as np
import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation import pool_predictions
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.evaluation.coverage import (
    headline_interval,
    intervals_by_level,
    refused_levels,
)

JUDGING = EvaluationConfig()


@pytest.fixture
def oof(folds, labels):
    return pool_predictions(folds, labels=labels)


def board(oof, labels, data, *, model="mil"):
    return Board.of(oof[oof["model"] == model], labels, data=data, evaluation=JUDGING)


def test_a_refused_fold_takes_no_part_in_coverage_and_width(oof, labels, data):
    refused = oof["fold"] == 1
    whole = oof.copy()
    oof.loc[refused, ["y_lower", "y_upper"]] = np.nan
    found = headline_interval(board(oof, labels, data), column=0)
    kept = whole[~refused & (whole["model"] == "mil") & (whole["target"] == data.target_names[0])]
    inside = (kept["y_lower"] <= kept["y_true"]) & (kept["y_true"] <= kept["y_upper"])
    by_group = inside.groupby(kept["group"]).mean()
    assert found == {
        "coverage": pytest.approx(inside.mean()),
        "group_coverage": pytest.approx(by_group.mean()),
        "width": pytest.approx(6),
    }


def test_a_large_group_counts_no_more_than_a_small_one_in_group_coverage(oof, labels, data):
    """The photos of one group are held, those of five others are not: a sixth, whatever n is."""
    first, rest = labels["group"].iloc[0], labels["group"].iloc[-1]
    group = oof["group"] == first
    oof[["y_lower", "y_upper"]] = np.nan
    oof["y_lower"], oof["y_upper"] = oof["y_true"] + 1, oof["y_true"] + 2
    oof.loc[group, "y_lower"] = oof.loc[group, "y_true"]
    few = oof[(oof["group"] != rest) | (oof["image_id"] == labels["image_id"].iloc[-1])]
    fewer = Board.of(few[few["model"] == "mil"], labels, data=data, evaluation=JUDGING)
    whole = board(oof, labels, data)
    for one, photos in ((whole, 4 / 24), (fewer, 4 / 21)):
        found = headline_interval(one)
        assert found["coverage"] == pytest.approx(photos)
        assert found["group_coverage"] == pytest.approx(1 / 6)


def test_where_all_are_refused_there_is_no_number(oof, labels, data):
    oof[["y_lower", "y_upper"]] = np.nan
    found = intervals_by_level(board(oof, labels, data), column=1)
    assert found["90"] == {"coverage": None, "group_coverage": None, "width": None}
    assert found["80"]["width"] == pytest.approx(4)


def test_all_targets_together_have_no_width_since_units_may_differ(oof, labels, data):
    assert headline_interval(board(oof, labels, data))["width"] is None


def test_refusals_name_level_model_folds_and_how_many_groups_it_takes(oof, labels, data):
    oof.loc[(oof["model"] == "mil") & (oof["fold"] != 1), "y_upper"] = np.nan
    boards = {name: board(oof, labels, data, model=name) for name in ("ridge", "mil")}
    (found,) = refused_levels(boards)
    assert (found["level"], found["model"], found["folds"]) == (0.9, "mil", [0, 2])
    assert found["reason"].startswith("90 % of new groups can be promised only from 9 or more")


def test_without_a_refusal_there_is_none_to_tell(oof, labels, data):
    assert refused_levels({"mil": board(oof, labels, data)}) == []


def test_a_refusal_of_one_target_is_told_as_well(oof, labels, data):
    alone = (oof["target"] == "GDM_g") & (oof["fold"] == 1)
    oof.loc[alone & (oof["model"] == "mil"), "y_upper_80"] = np.nan
    (found,) = refused_levels({"mil": board(oof, labels, data)})
    assert (found["level"], found["folds"]) == (0.8, [1])
