import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.evaluation.trial import Trial, deviations

DATA = DataConfig(
    targets=(TargetConfig(name="a", weight=1), TargetConfig(name="b", weight=3)),
    identities={},
    group_columns=(),
)
MASSES = arrays(np.float64, (12, 2), elements=st.floats(0, 100, width=32))
GROUPS = np.repeat(np.array(["g0", "g1", "g2"], dtype=object), 4)


def trial(true, predicted, groups=GROUPS):
    ids = np.array([f"i{n}" for n in range(len(true))], dtype=object)
    return Trial(DATA, ids, groups, true, {"mil": predicted}, 2.0)


@given(values=MASSES)
def test_deviations_add_up_to_nothing_in_each_group(values):
    found = deviations(values, GROUPS)
    for group in set(GROUPS):
        np.testing.assert_allclose(found[group == GROUPS].sum(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(deviations(found, GROUPS), found, atol=1e-9)


@given(values=MASSES, shift=arrays(np.float64, (3, 2), elements=st.floats(-50, 50, width=32)))
def test_knowing_the_session_brings_nothing_within_it(values, shift):
    values[0] += 1  # a group with spread
    means = values - deviations(values, GROUPS)
    assert trial(values, means).within_score("mil") == pytest.approx(0)
    shifted = values + np.repeat(shift, 4, axis=0)
    assert trial(values, shifted).within_score("mil") == pytest.approx(1)


def test_the_ceiling_of_identity_is_the_score_of_the_groups_means():
    chance = np.random.default_rng(0)
    values = chance.uniform(0, 10, (12, 2))
    found = trial(values, values - deviations(values, GROUPS))
    assert found.identity_score() == pytest.approx(found.scores()["mil"])
    alone = trial(values, values, groups=np.arange(12).astype(str).astype(object))
    assert alone.identity_score() == pytest.approx(1)
    assert alone.within_score("mil") is None


def test_labels_alike_have_no_score():
    flat = np.ones((12, 2))
    assert trial(flat, flat).scores() == {}
    assert trial(flat, flat).identity_score() is None
    assert trial(flat, flat).within_score("other") is None


def test_tidy_rows_in_any_order_become_the_same_arrays():
    rows = [
        (f"i{n}", f"g{n % 3}", target, float(n + plus), float(n), model)
        for n in range(5)
        for plus, target in enumerate("ab")
        for model in ("mil", "ridge")
    ]
    columns = ["image_id", "group", "target", "y_true", "y_pred", "model"]
    table = pd.DataFrame(rows, columns=columns)
    first = Trial.of(table, data=DATA)
    again = Trial.of(table.sample(frac=1, random_state=0), data=DATA)
    np.testing.assert_array_equal(first.true, again.true)
    np.testing.assert_array_equal(first.true[:, 1] - first.true[:, 0], 1)
    assert list(first.groups) == [f"g{n % 3}" for n in range(5)]
    assert set(first.predicted) == {"mil", "ridge"}
    assert first.n_train_groups == 0
