from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import PredictionSpec, predictive_of
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.stack import choose, predict_stack
from biomass_pipeline.mil.targets import TargetSpec

TARGETS = TargetSpec.from_config(DataConfig())
SPEC = PredictionSpec.from_config(EvaluationConfig())


def survey(seed=0, *, n_groups=30, size=10):
    chance = np.random.default_rng(seed)
    components = chance.gamma(2.0, 10.0, (n_groups * size, 3))
    groups = np.repeat([f"g{n}" for n in range(n_groups)], size)
    return components, groups, chance


def erring(components, groups, chance, sd):
    """Predictions whose errors belong to photos and to sessions."""
    index = np.unique(groups, return_inverse=True)[1]
    photo = chance.normal(0, sd, components.shape)
    session = chance.normal(0, 0.3 * sd, (index.max() + 1, 3))[index]
    return np.maximum(components + photo + session, 0)


def table(components, groups, y, ids=None):
    ids = np.array([f"p{n:04d}" for n in range(len(y))]) if ids is None else ids
    return InnerTable(ids, groups, TARGETS.sums(y), components)


def two(sd_mil, sd_ridge, *, seed=0, **size):
    y, groups, chance = survey(seed, **size)
    one, other = (erring(y, groups, chance, sd) for sd in (sd_mil, sd_ridge))
    return table(one, groups, y), table(other, groups, y)


def chosen(mil, ridge):
    return choose(mil, ridge, targets=TARGETS)


def test_two_equal_models_with_errors_of_their_own_are_stacked():
    choice = chosen(*two(8.0, 8.0))
    assert choice.model == "stack"
    assert choice.weights == pytest.approx(np.full((2, 3), 0.5), abs=0.1)
    assert choice.scores["stack"] > max(choice.scores["mil"], choice.scores["ridge"])


@pytest.mark.parametrize(
    ("sds", "winner"), [((1.0, 40.0), {"mil", "stack"}), ((40.0, 1.0), {"ridge"})]
)
def test_a_model_that_is_far_better_is_not_spoilt(sds, winner):
    mil, ridge = two(*sds)
    choice = chosen(mil, ridge)
    assert choice.model in winner
    assert choice.scores[choice.model] > max(choice.scores["mil"], choice.scores["ridge"]) - 0.01


@pytest.mark.parametrize("seed", range(5))
def test_of_two_that_say_the_same_the_ridge_stands(seed):
    predicted, groups, chance = survey(seed)
    ridge = table(predicted, groups, erring(predicted, groups, chance, 8.0))
    choice = chosen(ridge, ridge)
    assert choice.model == "ridge"
    assert choice.inner is ridge


def test_a_gain_within_chance_leaves_the_ridge():
    """One session of thirty gains much; the others lose a little."""
    y, groups, chance = survey()
    signs = 2.0 * chance.choice([-1, 1], y.shape)
    ridge, mil = y + signs, y + 1.005 * signs
    mil[groups == "g3"] = y[groups == "g3"]
    choice = chosen(table(mil, groups, y), table(ridge, groups, y))
    assert choice.scores["mil"] > choice.scores["ridge"]
    assert choice.model == "ridge"


@pytest.mark.parametrize("n_groups", [1, 2])
def test_few_groups_leave_the_ridge_and_nearly_equal_weights(n_groups):
    choice = chosen(*two(1.0, 8.0, n_groups=n_groups, size=3))
    assert choice.model == "ridge"
    assert np.abs(choice.weights - 0.5).max() < 0.2


@given(seed=st.integers(0, 60), n_groups=st.integers(1, 12), size=st.integers(1, 4))
def test_weights_are_never_negative_and_predictions_neither(seed, n_groups, size):
    choice = chosen(*two(5.0, 9.0, seed=seed, n_groups=n_groups, size=size))
    assert choice.weights.min() >= 0
    assert choice.stack.components.min() >= 0
    assert np.isfinite(choice.stack.components).all()


def test_a_model_that_says_the_opposite_gets_no_weight():
    y, groups, chance = survey()
    upside_down = np.maximum(40.0 - y, 0)
    choice = chosen(table(upside_down, groups, y), table(erring(y, groups, chance, 3), groups, y))
    assert choice.weights[0].max() < 0.25
    assert choice.weights[1].min() > 0.6
    assert choice.model == "ridge"


def test_the_stack_of_a_group_is_by_weights_that_did_not_see_it():
    mil, ridge = two(5.0, 9.0)
    before = chosen(mil, ridge).stack.components
    part = inner_parts(mil.groups, n_parts=10, seed=0)[4]
    poisoned = mil.y.copy()
    poisoned[part] = 500.0
    mil, ridge = (InnerTable(t.image_ids, t.groups, poisoned, t.components) for t in (mil, ridge))
    after = chosen(mil, ridge).stack.components
    assert (after[part] == before[part]).all()
    assert np.abs(np.delete(after, part, axis=0) - np.delete(before, part, axis=0)).max() > 0.1


def test_a_photo_that_several_networks_left_out_counts_once_with_their_mean():
    mil, ridge = two(5.0, 9.0)
    half = InnerTable(mil.image_ids, mil.groups, mil.y, mil.components - 1)
    other = InnerTable(mil.image_ids, mil.groups, mil.y, mil.components + 1)
    twice = chosen(InnerTable.concatenate([half, other]), ridge)
    once = chosen(mil, ridge)
    assert twice.weights == pytest.approx(once.weights)
    assert twice.scores == pytest.approx(once.scores)


def test_only_photos_of_both_tables_are_compared_and_their_order_does_not_matter():
    mil, ridge = two(5.0, 9.0)
    rows = np.random.default_rng(5).permutation(len(mil.y))[:150]
    some = InnerTable(mil.image_ids[rows], mil.groups[rows], mil.y[rows], mil.components[rows])
    found = chosen(some, ridge)
    kept = np.sort(rows)
    same = chosen(
        *(
            InnerTable(t.image_ids[kept], t.groups[kept], t.y[kept], t.components[kept])
            for t in (mil, ridge)
        )
    )
    assert found.weights == pytest.approx(same.weights)
    assert len(found.stack.y) == 150
    assert found.stack.y == pytest.approx(same.stack.y)


def test_tables_of_different_photos_are_refused():
    mil, ridge = two(5.0, 9.0)
    strangers = InnerTable(np.char.add("x", mil.image_ids), mil.groups, mil.y, mil.components)
    with pytest.raises(ValueError, match="no photo in common"):
        chosen(strangers, ridge)


def test_labels_that_are_all_alike_give_no_score_and_the_ridge():
    targets = TargetSpec(("a",), (1.0,), ("a",), ((1.0,),), (0.0,))
    ids, groups = np.array(["p", "q", "r"]), np.array(["1", "2", "3"])
    same = InnerTable(ids, groups, np.ones((3, 1)), np.ones((3, 1)))
    choice = choose(same, same, targets=targets)
    assert (choice.model, choice.scores) == ("ridge", {})


def test_the_stack_predicts_weighted_sums_with_its_own_errors():
    mil, ridge = two(8.0, 8.0)
    choice = chosen(mil, ridge)
    new = {"a": [10.0, 20.0, 5.0], "b": [0.0, 3.0, 7.0]}
    one, other = (
        predictive_of(
            tuple(new), shift + np.array(list(new.values())), inner=t, targets=TARGETS, spec=SPEC
        )
        for shift, t in ((0.0, mil), (2.0, ridge))
    )
    choice = replace(choice, model="ridge", inner=ridge)  # asked for though it was not chosen
    found = predict_stack(choice, one, other, spec=SPEC)
    assert found.components == pytest.approx(
        choice.weights[0] * one.components + choice.weights[1] * other.components
    )
    own = predictive_of(
        tuple(new), found.components, inner=choice.stack, targets=TARGETS, spec=SPEC
    )
    assert (found.upper == own.upper).all()
    assert np.nanmean(found.upper - found.lower) < np.nanmean(one.upper - one.lower)


def test_predictions_of_other_photos_are_not_stacked():
    mil, ridge = two(8.0, 8.0)
    made = [
        predictive_of((name,), np.ones((1, 3)), inner=mil, targets=TARGETS, spec=SPEC)
        for name in ("a", "b")
    ]
    with pytest.raises(ValueError, match="same photos in the same order"):
        predict_stack(chosen(mil, ridge), *made, spec=SPEC)
