import numpy as np
import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.errors import PooledPredictionsError
from biomass_pipeline.evaluation import pool_predictions
from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.scoring import weighted_r2

JUDGING = EvaluationConfig()


@pytest.fixture
def rows(folds, labels):
    oof = pool_predictions(folds, labels=labels)
    return oof[oof["model"] == "mil"]


def test_rows_in_any_order_become_the_same_arrays_in_the_targets_order(rows, labels, data):
    first = Board.of(rows, labels, data=data, evaluation=JUDGING)
    shuffled = rows.sample(frac=1, random_state=2)
    again = Board.of(shuffled, labels, data=data, evaluation=JUDGING)
    masses = labels.set_index("image_id").loc[first.images.index, list(data.target_names)]
    np.testing.assert_array_equal(first.true, masses.to_numpy())
    for name in ("true", "pred", "p_zero", "crps", "pit", "lower", "upper"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert list(first.images["State"]) == list(again.images["State"])


def test_levels_rise_along_the_first_axis_of_the_bounds(rows, labels, data):
    board = Board.of(rows, labels, data=data, evaluation=JUDGING)
    assert board.levels == (0.5, 0.8, 0.9)
    np.testing.assert_allclose((board.upper - board.lower).mean(axis=(1, 2)), [2, 4, 6])


def test_a_part_is_scored_on_its_rows_alone(rows, labels, data):
    board = Board.of(rows, labels, data=data, evaluation=JUDGING)
    part = np.arange(len(board.true)) % 2 == 0
    assert board.weighted_r2(part) == weighted_r2(
        board.true[part],
        board.pred[part],
        targets=data.target_names,
        weights=data.target_weights,
    )


def test_other_levels_than_the_tables_are_named(rows, labels, data):
    judging = EvaluationConfig(inner_levels=(0.6,))
    with pytest.raises(PooledPredictionsError, match="y_lower_60, y_upper_60 missing"):
        Board.of(rows, labels, data=data, evaluation=judging)
