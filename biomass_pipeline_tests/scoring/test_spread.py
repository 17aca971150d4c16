import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.scoring import fit_spread

CHANCE = np.random.default_rng(0)
PRED = CHANCE.gamma(1.5, 10, (600, 1))
NOISE = CHANCE.laplace(size=PRED.shape)
GROUPS = np.arange(600) % 30


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_power_by_which_errors_grow_is_found(power):
    size = (15.0 + PRED) ** power
    found = fit_spread(PRED + 0.2 * size * NOISE, PRED, GROUPS)
    assert found.power.tolist() == [power]


@given(value=st.floats(0, 100))
def test_predictions_all_alike_are_taken_to_err_alike(value):
    found = fit_spread(value + NOISE, np.full_like(PRED, value), GROUPS)
    assert found.power.tolist() == [0.0]


def test_columns_have_their_own():
    pred = np.concatenate([PRED, PRED], axis=1)
    true = pred + np.concatenate([NOISE, 0.2 * (15 + PRED) * NOISE], axis=1)
    assert fit_spread(true, pred, GROUPS).power.tolist() == [0.0, 1.0]


@given(factor=st.floats(0.01, 100))
def test_the_unit_changes_nothing_but_the_unit(factor):
    true = PRED + 0.2 * (15 + PRED) * NOISE
    one, other = (fit_spread(k * true, k * PRED, GROUPS) for k in (1.0, factor))
    assert one.power.tolist() == other.power.tolist()
    np.testing.assert_allclose(other.at(factor * PRED), factor * one.at(PRED))


def test_a_large_group_weighs_no_more_than_a_small_one():
    true = PRED + 0.2 * (15 + PRED) * NOISE
    alone = np.arange(600)
    copies = np.repeat(alone, np.where(alone == 0, 500, 1))
    once, often = fit_spread(true, PRED, alone), fit_spread(true[copies], PRED[copies], copies)
    assert once.power.tolist() == often.power.tolist()
    np.testing.assert_allclose(once.offset, often.offset)


def test_sizes_are_positive_even_where_nothing_is_found_or_predicted():
    nothing = np.zeros((5, 2))
    assert fit_spread(nothing, nothing, range(5)).at([[0.0, -3.0]]).min() > 0
