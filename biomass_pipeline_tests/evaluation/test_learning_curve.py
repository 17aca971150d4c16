import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.evaluation.learning_curve import curve_of, partial_plan
from biomass_pipeline.evaluation.splits import grouped_plan

FEW = settings(max_examples=25)  # each builds tables


def field(n_groups, per_group=3):
    rows = [(f"g{n}n{k}", f"g{n}") for n in range(n_groups) for k in range(per_group)]
    return pd.DataFrame(rows, columns=["image_id", "group"])


@FEW
@given(
    n_groups=st.integers(5, 20),
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    seed=st.integers(0, 9),
)
def test_a_larger_share_holds_the_smaller_one_and_predicts_the_same(n_groups, shares, seed):
    labels = field(n_groups)
    whole = grouped_plan(labels, n_folds=3, seed=seed)
    few, many = (partial_plan(whole, labels, share=s, seed=seed) for s in sorted(shares))
    for small, large, full in zip(few.splits, many.splits, whole.splits, strict=True):
        assert set(small.train_ids) <= set(large.train_ids) <= set(full.train_ids)
        assert small.test_ids == large.test_ids == full.test_ids
        assert small.name == full.name


@pytest.mark.parametrize(("share", "n_groups"), [(0.01, 2), (0.25, 2), (0.5, 4), (0.75, 6), (1, 8)])
def test_a_share_is_of_whole_groups_and_two_at_least(share, n_groups):
    labels = field(10)
    whole = grouped_plan(labels, n_folds=5, seed=0)
    for split in partial_plan(whole, labels, share=share, seed=0).splits:
        kept = labels[labels["image_id"].isin(split.train_ids)]
        assert kept["group"].nunique() == n_groups
        assert len(kept) == 3 * n_groups


def test_another_seed_takes_other_groups_first():
    labels = field(20)
    whole = grouped_plan(labels, n_folds=2, seed=0)
    taken = {
        frozenset(partial_plan(whole, labels, share=0.3, seed=seed).splits[0].train_ids)
        for seed in range(5)
    }
    assert len(taken) == 5


def test_a_point_is_the_mean_over_seeds_and_the_step_from_the_one_before():
    trials = [
        (0.5, 4.0, {"ridge": 0.4, "mil": 0.1}),
        (0.5, 5.0, {"ridge": 0.6}),
        (1.0, 8.0, {"ridge": 0.8, "mil": 0.7}),
    ]
    mil, more_mil, ridge, more_ridge = curve_of(trials)
    assert (mil["model"], mil["share"], mil["n_train_groups"]) == ("mil", 0.5, 4.0)
    assert (mil["sd"], mil["step"]) == (None, None)
    assert more_mil["step"] == pytest.approx(0.6)
    assert ridge["mean"] == pytest.approx(0.5)
    assert ridge["sd"] == pytest.approx(0.02**0.5)
    assert ridge["n_train_groups"] == 4.5
    assert more_ridge["step"] == pytest.approx(0.3)


def test_whole_training_sets_alone_are_no_curve():
    assert curve_of([(1.0, 8.0, {"ridge": 0.8})]) == []


def test_a_model_without_a_score_at_a_share_has_no_point_there():
    points = curve_of([(0.5, 4.0, {}), (1.0, 8.0, {"ridge": 0.8})])
    assert [(point["share"], point["step"]) for point in points] == [(1.0, None)]
