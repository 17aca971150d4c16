import numpy as np
import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation import pool_predictions
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.evaluation.deployment import out_of_domain, paddock_means

TOTAL = "Dry_Total_g"


@pytest.fixture
def rows(folds, labels):
    oof = pool_predictions(folds, labels=labels)
    return oof[oof["model"] == "mil"].copy()


def board(rows, labels, data):
    return Board.of(rows, labels, data=data, evaluation=EvaluationConfig())


def test_a_paddock_is_the_mean_of_its_photos(rows, labels, data):
    found = paddock_means(board(rows, labels, data))
    totals = rows[rows["target"] == TOTAL].groupby("group")
    assert found["target"] == TOTAL
    assert list(found["groups"]) == sorted(labels["group"].unique())
    for group, line in found["groups"].items():
        part = totals.get_group(group)
        assert line["n"] == len(part)
        assert line["predicted"] == pytest.approx(part["y_pred"].mean())
        assert line["measured"] == pytest.approx(part["y_true"].mean())


def test_what_a_session_shares_stays_in_the_standard_error_however_many_photos(rows, labels, data):
    """An error of +10 g or -10 g that all photos of a group share is not averaged out."""
    shift = rows["group"].map(
        {group: 10.0 * (-1) ** k for k, group in enumerate(labels["group"].unique())}
    )
    rows["y_pred"] = rows["y_true"] + shift
    found = paddock_means(board(rows, labels, data))
    assert found["within_sd"] == pytest.approx(0, abs=1e-6)
    assert found["between_sd"] == pytest.approx(10 * np.sqrt(6 / 5))
    errors = [line["standard_error"] for line in found["groups"].values()]
    np.testing.assert_allclose(errors, found["between_sd"])
    assert found["covered"] == 1.0


def test_one_group_has_no_standard_error(rows, labels, data):
    found = paddock_means(board(rows.assign(group="all"), labels, data))
    assert found["groups"]["all"]["standard_error"] is None
    assert found["covered"] is found["between_sd"] is found["within_sd"] is None


def test_photos_above_the_95th_percentile_are_told_apart(rows, labels, data):
    rows["y_pred"] = rows["y_true"] + np.where(rows["image_id"] >= "ID020", 8.0, 2.0)
    rows["ood_percentile"] = np.where(rows["image_id"] >= "ID020", 95.5, 95.0)
    found = out_of_domain(board(rows, labels, data))
    assert (found["n"], found["n_known"], found["percentile"]) == (4, 24, 95)
    assert found["share"] == pytest.approx(4 / 24)
    assert (found["rmse"], found["rmse_within"]) == (pytest.approx(8), pytest.approx(2))


def test_where_no_photo_is_outside_there_is_no_error_to_tell(rows, labels, data):
    found = out_of_domain(board(rows.assign(ood_percentile=50.0), labels, data))
    assert (found["n"], found["rmse"]) == (0, None)


def test_a_likeness_that_is_not_known_is_not_counted(rows, labels, data):
    rows.loc[rows["image_id"] < "ID012", "ood_percentile"] = np.nan
    assert out_of_domain(board(rows, labels, data))["n_known"] == 12
    assert out_of_domain(board(rows.assign(ood_percentile=np.nan), labels, data)) is None
