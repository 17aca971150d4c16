import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.errors import FoldCountError, ProtocolColumnError
from biomass_pipeline.evaluation.splits import (
    forward_plan,
    grouped_plan,
    left_out_plan,
    plain_name,
    random_plan,
)

FEW = settings(max_examples=25)  # each builds tables
SIZES = st.lists(st.integers(1, 9), min_size=5, max_size=25)


def field(sizes, **columns):
    groups = np.repeat([f"g{n}" for n in range(len(sizes))], sizes)
    ids = [f"i{n}" for n in range(len(groups))]
    return pd.DataFrame({"image_id": ids, "group": groups, **columns}).astype(str)


@st.composite
def fields(draw):
    """Photos of groups, each with a date and a place; groups may go on over several of both."""
    groups = draw(st.lists(st.integers(0, 7), min_size=4, max_size=40))
    days = st.sampled_from(["", *(f"2024-05-{day:02d}" for day in range(1, 9))])
    places = st.sampled_from(["", "north", "south", "west"])
    return pd.DataFrame(
        {
            "image_id": [f"i{n}" for n in range(len(groups))],
            "group": [f"g{n}" for n in groups],
            "date": draw(st.lists(days, min_size=len(groups), max_size=len(groups))),
            "place": draw(st.lists(places, min_size=len(groups), max_size=len(groups))),
        }
    )


def groups_of(labels, ids):
    return set(labels.loc[labels["image_id"].isin(ids), "group"])


def predicted_by(plan):
    return [name for split in plan.splits for name in split.test_ids]


@FEW
@given(sizes=SIZES, seed=st.integers(0, 99), n_folds=st.integers(2, 5))
def test_grouped_folds_predict_each_photo_once_and_cut_no_group(sizes, seed, n_folds):
    labels = field(sizes)
    plan = grouped_plan(labels, n_folds=n_folds, seed=seed)
    assert sorted(predicted_by(plan)) == sorted(labels["image_id"])
    for split in plan.splits:
        assert {*split.train_ids, *split.test_ids} == {*labels["image_id"]}
        assert not groups_of(labels, split.train_ids) & groups_of(labels, split.test_ids)


@FEW
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_grouped_folds_are_balanced_and_repeat(sizes, seed):
    labels = field(sizes)
    plan = grouped_plan(labels, n_folds=4, seed=seed)
    counts = [len(split.test_ids) for split in plan.splits]
    assert max(counts) - min(counts) <= max(sizes)
    assert plan == grouped_plan(labels, n_folds=4, seed=seed)
    shuffled = labels.sample(frac=1, random_state=seed)
    for split, other in zip(
        plan.splits, grouped_plan(shuffled, n_folds=4, seed=seed).splits, strict=True
    ):
        assert set(split.test_ids) == set(other.test_ids)


def test_another_seed_deals_groups_of_different_sizes_anew():
    labels = field(list(range(1, 31)))
    group = labels["group"].to_numpy()
    together = []
    for seed in range(5):
        plan = grouped_plan(labels, n_folds=5, seed=seed)
        fold = {name: split.name for split in plan.splits for name in split.test_ids}
        folds = labels["image_id"].map(fold).to_numpy()
        together.append((folds[:, None] == folds) & (group[:, None] != group))
    for seed in range(1, 5):  # by chance a fifth of a fold's photos stay together
        assert (together[0] & together[seed]).sum() < 0.4 * together[0].sum()


@FEW
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_random_folds_predict_each_photo_once_and_cut_groups(sizes, seed):
    labels = field([*sizes, 20])
    plan = random_plan(labels, n_folds=5, seed=seed)
    assert sorted(predicted_by(plan)) == sorted(labels["image_id"])
    counts = [len(split.test_ids) for split in plan.splits]
    assert max(counts) - min(counts) <= 1
    largest = f"g{len(sizes)}"
    assert all(largest in groups_of(labels, split.train_ids) for split in plan.splits)
    assert any(largest in groups_of(labels, split.test_ids) for split in plan.splits)


def test_too_few_groups_for_the_folds_are_named():
    with pytest.raises(FoldCountError, match="g0"):
        grouped_plan(field([3, 3]), n_folds=3, seed=0)


@FEW
@given(labels=fields())
def test_leaving_a_value_out_learns_from_no_group_that_has_it(labels):
    plan = left_out_plan(labels, column="place")
    value = labels.set_index("image_id")["place"]
    for split in plan.splits:
        assert set(split.test_ids) == set(value.index[value == split.name])
        assert split.name not in set(value[list(split.train_ids)])
        assert not groups_of(labels, split.train_ids) & groups_of(labels, split.test_ids)
        assert len(groups_of(labels, split.train_ids)) >= 2
    said = " ".join(plan.remarks)
    for name in set(value) - {split.name for split in plan.splits} - {""}:
        assert (
            f"{name}: " in said
            or "there is none" in said
            or "of its own" in said
            or ("leaving one out" in said)
        )


def test_each_value_is_left_out_in_turn():
    labels = field([2] * 6, place=np.repeat(["north", "south", "west"], 4))
    plan = left_out_plan(labels, column="place")
    assert [split.name for split in plan.splits] == ["north", "south", "west"]
    assert [len(split.train_ids) for split in plan.splits] == [8, 8, 8]
    assert plan.remarks == ()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (["north"] * 6, r"`place` has 1 value\(s\)"),
        (["n", "n", "s", "s", "w", "w"], "Each group has a value of `place` of its own"),
        (["", "", "s", "s", "", ""], r"`place` has 1 value\(s\)"),
    ],
)
def test_a_column_that_leaves_nothing_to_ask_is_passed_over_with_a_reason(place, words):
    plan = left_out_plan(field([2, 2, 2], place=place), column="place")
    assert plan.splits == ()
    assert pd.Series(plan.remarks).str.contains(words).any()


def test_photos_of_a_straddling_group_are_said_not_to_be_learnt_from():
    labels = field([2] * 6, place=["n", "s", *["n"] * 5, *["s"] * 5])
    north, south = left_out_plan(labels, column="place").splits
    assert "i1" not in north.train_ids
    assert "i0" not in south.train_ids
    remarks = left_out_plan(labels, column="place").remarks
    assert remarks[0].startswith("n: 2 photo(s) are not learnt from")


def test_a_photo_without_a_value_is_learnt_from_and_said_not_to_be_predicted():
    labels = field([2] * 5, place=["n", "n", "s", "s", "n", "n", "s", "s", "", ""])
    plan = left_out_plan(labels, column="place")
    assert all({"i8", "i9"} <= set(split.train_ids) for split in plan.splits)
    assert plan.remarks == ("2 photo(s) without a value of `place` are never predicted.",)


def test_a_value_that_leaves_one_group_is_not_predicted_and_said_so():
    labels = field([2, 2, 2], place=["n", "n", "s", "s", "s", "s"])
    plan = left_out_plan(labels, column="place")
    assert [split.name for split in plan.splits] == ["n"]
    assert plan.remarks[0].startswith("s: 4 photo(s) are not predicted, since fewer than 2 groups")


def test_an_unknown_column_to_leave_out_is_named_with_those_that_there_are():
    with pytest.raises(ProtocolColumnError, match=r"Sttate.* they have image_id, group"):
        left_out_plan(field([1, 1]), column="Sttate")


@FEW
@given(labels=fields(), n_parts=st.integers(1, 5))
def test_forward_learns_only_from_the_past_of_other_groups(labels, n_parts):
    plan = forward_plan(labels, column="date", n_parts=n_parts)
    date = labels.set_index("image_id")["date"]
    assert len(plan.splits) <= n_parts
    predicted = predicted_by(plan)
    assert len(predicted) == len(set(predicted))
    for split in plan.splits:
        train, test = date[list(split.train_ids)], date[list(split.test_ids)]
        assert train.max() < test.min()
        assert "" not in {*train, *test}
        assert set(date.index[date.isin(set(test))]) == set(split.test_ids)  # ties stay together
        assert not groups_of(labels, split.train_ids) & groups_of(labels, split.test_ids)


def test_every_block_but_the_first_is_predicted_from_all_before_it():
    days = [f"2024-05-{day:02d}" for day in range(1, 11)]
    labels = field([2] * 10, date=np.repeat(days, 2))
    plan = forward_plan(labels, column="date", n_parts=4)
    assert [len(split.test_ids) for split in plan.splits] == [4, 4, 4, 4]
    assert [len(split.train_ids) for split in plan.splits] == [4, 8, 12, 16]
    assert plan.splits[0].name == "2024-05-03_2024-05-04"
    assert plan.remarks == ("The 4 photo(s) up to 2024-05-02 are learnt from and never predicted.",)


def test_few_dates_give_few_blocks_and_photos_without_one_are_said_to_be_left_out():
    labels = field(
        [1] * 7, date=["2024-05-01"] * 2 + ["2024-05-02"] * 2 + ["2024-05-03"] * 2 + [""]
    )
    plan = forward_plan(labels, column="date", n_parts=4)
    assert [split.name[:10] for split in plan.splits] == ["2024-05-02", "2024-05-03"]
    assert plan.remarks[1:] == (
        "3 dates allow 2 of 4 blocks.",
        "1 photo(s) without a date are left out.",
    )


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (field([2, 2], date="2024-05-01"), r"`date` has 1 date\(s\)"),
        (field([2, 2]), "no column `date` of dates"),
    ],
)
def test_without_a_later_date_there_is_a_reason_and_no_split(labels, words):
    plan = forward_plan(labels, column="date", n_parts=4)
    assert plan.splits == ()
    assert pd.Series(plan.remarks).str.contains(words).any()


@given(st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9))
def test_plain_names_stay_apart_and_hold_no_other_sign(first, second):
    for name in (first, second):
        assert set(plain_name(name)) <= {
            *"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
        }
    assert (plain_name(first) == plain_name(second)) == (first == second)
