import numpy as np
import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation import pool_predictions
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.evaluation.distribution import distribution_scores

CLOVER = "Dry_Clover_g"


@pytest.fixture
def rows(folds, labels):
    oof = pool_predictions(folds, labels=labels)
    return oof[oof["model"] == "mil"]


def scores(rows, labels, data):
    board = Board.of(rows, labels, data=data, evaluation=EvaluationConfig())
    return distribution_scores(board, data.target_names.index(CLOVER))


def test_the_pit_histogram_has_ten_shares_that_add_up(rows, labels, data):
    found = scores(rows, labels, data)["pit_histogram"]
    counts, _ = np.histogram(rows.loc[rows["target"] == CLOVER, "pit"], bins=10, range=(0, 1))
    np.testing.assert_allclose(found, counts / len(labels))


def test_a_mass_below_the_detection_limit_counts_as_absent(rows, labels, data):
    mine = (rows["target"] == CLOVER).to_numpy()
    few = rows["image_id"].isin(labels["image_id"][:6]).to_numpy()
    rows.loc[mine, "p_zero"] = 0.0
    rows.loc[mine & few, "y_true"] = 0.049
    found = scores(rows, labels, data)["presence"]
    assert found["zeros"] == pytest.approx(6 / 24)
    assert found["brier"] == pytest.approx(6 / 24)
    (line,) = found["reliability"]
    assert (line["n"], line["stated"], line["observed"]) == (24, 1.0, pytest.approx(0.75))


def test_the_crps_is_the_mean_over_photos(rows, labels, data):
    known = rows.loc[rows["target"] == CLOVER, "crps"].mean()
    assert scores(rows, labels, data)["crps"] == pytest.approx(known)
