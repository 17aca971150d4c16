import numpy as np
import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation import pool_predictions
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.evaluation.summary import summarize


@pytest.fixture
def rows(folds, labels):
    oof = pool_predictions(folds, labels=labels)
    return oof[oof["model"] == "mil"]


def summary(rows, labels, data):
    board = Board.of(rows, labels, data=data, evaluation=EvaluationConfig())
    return summarize(board, chance=np.random.default_rng(0), n_resamples=50)


def test_coverage_width_and_crps_are_told_for_each_value_of_a_group_column(rows, labels, data):
    found = summary(rows, labels, data)["group_columns"]["State"]["WA"]
    state = labels.set_index("image_id")["State"]
    mine = rows[(rows["image_id"].map(state) == "WA") & (rows["target"] == "GDM_g")]
    inside = (mine["y_lower_50"] <= mine["y_true"]) & (mine["y_true"] <= mine["y_upper_50"])
    line = found["targets"]["GDM_g"]
    assert line["intervals"]["50"] == {
        "coverage": pytest.approx(inside.mean()),
        "group_coverage": pytest.approx(inside.groupby(mine["group"]).mean().mean()),
        "width": pytest.approx(2),
    }
    assert line["interval_width"] == pytest.approx(6)
    assert line["coverage"] == line["intervals"]["90"]["coverage"]
    assert line["crps"] == pytest.approx(mine["crps"].mean())


def test_parts_have_as_much_coverage_as_their_whole(rows, labels, data):
    """The parts' coverages, weighed by their photos, are the whole's."""
    whole = summary(rows, labels, data)
    for parts in (whole["folds"], *whole["group_columns"].values()):
        together = sum(part["n"] * part["coverage"] for part in parts.values()) / len(labels)
        assert together == pytest.approx(whole["coverage"])


def test_wider_levels_cover_no_less(rows, labels, data):
    found = summary(rows, labels, data)
    lines = [found["intervals"], *(line["intervals"] for line in found["targets"].values())]
    for line in lines:
        covered = [line[name]["coverage"] for name in ("50", "80", "90")]
        assert covered == sorted(covered)
