"""Folds that are alike pass; each way to be unlike is named."""

import pandas as pd
import pytest

from biomass_pipeline.evaluation import check_fold_balance


def tables(*folds):
    """A list a fold, of groups, each (number of photos, label)."""
    rows = [
        (f"f{fold}g{number}p{photo}", f"f{fold}g{number}", fold, value + photo % 2)
        for fold, groups in enumerate(folds)
        for number, (size, value) in enumerate(groups)
        for photo in range(size)
    ]
    table = pd.DataFrame(rows, columns=["image_id", "group", "fold", "mass_g"])
    return table[["image_id", "group", "fold"]].astype({"fold": "int64"}), table


def found(*folds, n_folds=None, by_group=False):
    assignment, labels = tables(*folds)
    n = len(folds) if n_folds is None else n_folds
    return check_fold_balance(assignment, labels, target="mass_g", n_folds=n, by_group=by_group)


EVEN = [(4, 10.0), (4, 30.0), (4, 50.0)]


def test_even_folds_pass_and_are_shown():
    result = found(EVEN, EVEN, EVEN)
    assert result.passed
    assert result.sentence == "The folds are alike in photos, groups and mean."
    assert result.table["photos"].tolist() == [12, 12, 12]
    assert result.table["groups"].tolist() == [3, 3, 3]
    assert result.facts == {"fewest_photos": 12, "most_photos": 12}
    assert result.table["mean mass_g"].tolist() == pytest.approx([30.5] * 3)


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ([EVEN, EVEN, [(1, 10.0), (1, 30.0), (1, 50.0)]], "Fold 2 has 3 photos where 9 would be"),
        ([EVEN, EVEN, EVEN, [(30, 10.0), (30, 50.0)]], "Fold 3 has 60 photos where 24 would be"),
        ([EVEN, EVEN, [(12, 30.0)]], "Fold 2 has a single group"),
        (
            [[(4, 10.0), (4, 11.0), (4, 12.0)] * 4, [(4, 10.5), (4, 11.5)] * 6, [(4, 90.0)] * 12],
            "Fold 2 has a mean mass_g of 90.5 over its groups",
        ),
    ],
)
def test_each_way_to_be_unlike_is_named(folds, words):
    result = found(*folds)
    assert not result.passed
    assert words in result.sentence
    assert "To do: more groups, fewer folds" in result.sentence


def test_an_empty_fold_is_named():
    result = found(EVEN, EVEN, n_folds=3)
    assert not result.passed
    assert result.sentence.startswith("Fold 2 is empty")


def test_one_group_a_fold_by_wish_is_not_uneven():
    assert found([(20, 10.0)], [(2, 50.0)], [(9, 30.0)], by_group=True).passed


def test_folds_of_one_group_each_pass_where_there_are_no_more():
    assert found([(5, 10.0)], [(5, 30.0)]).passed


def test_no_photos_are_only_empty_folds():
    assignment, labels = tables(EVEN)
    result = check_fold_balance(
        assignment.iloc[:0], labels, target="mass_g", n_folds=2, by_group=False
    )
    assert not result.passed
    assert result.sentence.startswith("Fold 0 is empty; fold 1 is empty.")
