import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from biomass_pipeline.config import FoldsConfig
from biomass_pipeline.errors import EmptyFoldError, FoldCountError
from biomass_pipeline.folds import assign_folds

sessions = st.lists(
    st.tuples(st.integers(1, 9), st.floats(0, 100, allow_nan=False)), min_size=3, max_size=14
)


def photos(sizes_and_totals, prefix="g"):
    rows = [
        {"image_id": f"{prefix}{group}-{i}", "group": f"{prefix}{group}", "total": total}
        for group, (size, total) in enumerate(sizes_and_totals)
        for i in range(size)
    ]
    return pd.DataFrame(rows, columns=["image_id", "group", "total"])


def folds_of(assignment):
    return assignment.table.groupby("group")["fold"].first().to_dict()


@given(sessions, st.integers(2, 3), st.integers(0, 5))
def test_every_photo_has_one_fold_and_no_group_straddles(groups, n_folds, seed):
    images = photos(groups).sample(frac=1, random_state=seed)
    table = assign_folds(images, spec=FoldsConfig(n_folds=n_folds, seed=seed), ledger=None).table
    assert list(table.columns) == ["image_id", "group", "fold"]
    assert table["image_id"].tolist() == images["image_id"].tolist()
    assert len(table[["group", "fold"]].drop_duplicates()) == len(groups)
    assert set(table["fold"]) == set(range(n_folds))


@given(sessions, st.integers(2, 3), st.integers(0, 5))
def test_folds_differ_by_at_most_the_largest_group(groups, n_folds, seed):
    spec = FoldsConfig(n_folds=n_folds, seed=seed)
    table = assign_folds(photos(groups), spec=spec, ledger=None).table
    sizes = table["fold"].value_counts().reindex(range(n_folds), fill_value=0)
    assert sizes.max() - sizes.min() <= max(size for size, _ in groups)


@given(sessions, sessions, st.integers(2, 3))
def test_adding_photos_moves_none(old, new, n_folds):
    spec = FoldsConfig(n_folds=n_folds)
    before = assign_folds(photos(old), spec=spec, ledger=None)
    grown = photos([(size + 3, total + 50) for size, total in old])
    images = pd.concat([photos(new, prefix="new"), grown])
    after = assign_folds(images, spec=spec, ledger=before.ledger)
    assert folds_of(before).items() <= folds_of(after).items()


@given(sessions, st.integers(1, 3))
def test_a_group_that_comes_back_finds_its_old_fold(groups, n_missing):
    assume(len(groups) - n_missing >= 2)
    spec, images = FoldsConfig(n_folds=2), photos(groups)
    first = assign_folds(images, spec=spec, ledger=None)
    fewer = images[~images["group"].isin([f"g{i}" for i in range(n_missing)])]
    assume(first.table[first.table["group"].isin(fewer["group"])]["fold"].nunique() == 2)
    second = assign_folds(fewer, spec=spec, ledger=first.ledger)
    assert folds_of(assign_folds(images, spec=spec, ledger=second.ledger)) == folds_of(first)


def test_a_new_group_goes_to_the_emptiest_fold_whatever_its_mass():
    spec, old = FoldsConfig(n_folds=2), photos([(9, 1.0), (2, 50.0)])
    first = assign_folds(old, spec=spec, ledger=None)
    small = folds_of(first)["g1"]
    images = pd.concat([old, photos([(3, 60.0), (1, 2.0)], prefix="new")])
    after = folds_of(assign_folds(images, spec=spec, ledger=first.ledger))
    assert (after["new0"], after["new1"]) == (small, small)


different = st.lists(st.integers(1, 60), min_size=3, max_size=10, unique=True)


@given(different, different, st.integers(2, 3), st.integers(0, 5), st.randoms())
def test_new_groups_go_to_the_emptiest_fold_by_stratum_and_the_largest_first(
    old, new, n_folds, seed, chance
):
    totals = chance.sample(range(1000), len(old) + len(new))
    spec = FoldsConfig(n_folds=n_folds, seed=seed)
    before = photos(zip(old, totals[: len(old)], strict=True), prefix="old")
    images = pd.concat([before, photos(zip(new, totals[len(old) :], strict=True), prefix="new")])
    first = assign_folds(before, spec=spec, ledger=None)
    folds = folds_of(assign_folds(images, spec=spec, ledger=first.ledger))

    sizes = images.groupby("group").size().to_dict()
    by_total = images.groupby("group")["total"].first().sort_values().index
    stratum = {name: rank * n_folds // len(sizes) for rank, name in enumerate(by_total)}
    placed = folds_of(first)
    newcomers = sorted(sizes.keys() - placed.keys(), key=lambda name: (stratum[name], -sizes[name]))
    for name in newcomers:
        costs = [
            (
                sum(sizes[one] for one, its in placed.items() if its == fold),
                sum(stratum[one] == stratum[name] for one, its in placed.items() if its == fold),
            )
            for fold in range(n_folds)
        ]
        assert costs[folds[name]] == min(costs)
        placed[name] = folds[name]


def test_a_group_that_was_there_and_one_just_placed_weigh_the_same():
    """Two folds of four photos and one heavy group each: chance decides about the next one."""
    old = photos([(1, 1.0), (1, 90.0)], prefix="old")
    new = photos([(3, 2.0), (2, 3.0), (1, 91.0), (1, 92.0)], prefix="new")
    beside_the_old = set()
    for seed in range(20):
        spec = FoldsConfig(n_folds=2, seed=seed)
        first = assign_folds(old, spec=spec, ledger=None)
        folds = folds_of(assign_folds(pd.concat([old, new]), spec=spec, ledger=first.ledger))
        heavy = [folds[name] for name in ("new2", "new3")]
        beside_the_old.add(heavy.count(folds["old1"]))
    assert beside_the_old == {0, 1}


def test_folds_are_those_of_earlier_releases():
    # Whoever loses the ledger, or compares with somebody else, finds the same folds.
    images = photos([(2, 1.0)] * 6)
    folds = folds_of(assign_folds(images, spec=FoldsConfig(n_folds=3), ledger=None))
    assert folds == {"g0": 1, "g1": 2, "g2": 0, "g3": 1, "g4": 0, "g5": 2}


def test_light_and_heavy_groups_are_spread_over_the_folds():
    groups = [(4, float(total)) for total in range(30)]
    table = assign_folds(photos(groups), spec=FoldsConfig(n_folds=3), ledger=None).table
    heavy = table[table["group"].isin([f"g{i}" for i in range(20, 30)])]
    assert heavy.groupby("fold")["group"].nunique().between(3, 4).all()


@pytest.mark.parametrize(
    "change",
    [
        {"spec": FoldsConfig(n_folds=4)},
        {"spec": FoldsConfig(n_folds=3, seed=1)},
        {"group_columns": ("State",)},
    ],
)
def test_another_rule_assigns_all_anew(change):
    images = photos([(2, float(i)) for i in range(12)])
    asked = {"spec": FoldsConfig(n_folds=3), "group_columns": ("date",)}
    first = assign_folds(images, ledger=None, **asked)
    asked |= change
    again = assign_folds(images, ledger=first.ledger, **asked)
    anew = assign_folds(images, ledger=None, **asked)
    pd.testing.assert_frame_equal(again.table, anew.table)
    assert set(anew.ledger["rule"]).isdisjoint(first.ledger["rule"])


def test_another_strategy_is_another_rule():
    images = photos([(2, float(i)) for i in range(3)])
    rules = [
        assign_folds(images, spec=FoldsConfig(n_folds=3, strategy=strategy), ledger=None).ledger
        for strategy in ("group_k_fold", "leave_one_group_out")
    ]
    assert set(rules[0]["rule"]).isdisjoint(rules[1]["rule"])


def test_going_back_to_an_earlier_rule_finds_its_folds_again():
    three, two = FoldsConfig(n_folds=3), FoldsConfig(n_folds=2)
    first = assign_folds(photos([(2, float(i)) for i in range(6)]), spec=three, ledger=None)
    grown = photos([(2, float(i)) for i in range(9)])
    second = assign_folds(grown, spec=two, ledger=first.ledger)
    back = assign_folds(grown, spec=three, ledger=second.ledger)
    assert folds_of(first).items() <= folds_of(back).items()


def test_the_seed_changes_the_folds_and_nothing_else_does():
    images = photos([(2, 1.0)] * 12)
    spec = FoldsConfig(n_folds=3)
    shuffled = images.sample(frac=1, random_state=1)
    same = folds_of(assign_folds(images, spec=spec, ledger=None))
    assert folds_of(assign_folds(shuffled, spec=spec, ledger=None)) == same
    other = assign_folds(images, spec=FoldsConfig(n_folds=3, seed=1), ledger=None)
    assert folds_of(other) != same


def test_each_group_is_a_fold_when_leaving_one_out():
    spec = FoldsConfig(n_folds=4, strategy="leave_one_group_out")
    folds = folds_of(assign_folds(photos([(3, 1.0)] * 4), spec=spec, ledger=None))
    assert sorted(folds.values()) == [0, 1, 2, 3]


def test_leaving_one_out_keeps_one_group_a_fold_when_groups_come_and_go():
    spec, images = FoldsConfig(n_folds=2, strategy="leave_one_group_out"), photos([(2, 1.0)] * 3)
    ledger = None
    for present in (["g0", "g1"], ["g1", "g2"], ["g0", "g2"], ["g0", "g1"]):
        some = images[images["group"].isin(present)]
        assignment = assign_folds(some, spec=spec, ledger=ledger)
        assert sorted(folds_of(assignment).values()) == [0, 1]
        ledger = assignment.ledger
        assert not ledger["group"].duplicated().any()


def test_fewer_groups_than_folds_is_an_error():
    with pytest.raises(FoldCountError, match=r"`folds.n_folds` is 5 and there are 2 group.*g0, g1"):
        assign_folds(photos([(3, 1.0)] * 2), spec=FoldsConfig(), ledger=None)


def test_a_new_group_does_not_fit_when_leaving_one_out():
    spec = FoldsConfig(n_folds=2, strategy="leave_one_group_out")
    ledger = assign_folds(photos([(3, 1.0)] * 2), spec=spec, ledger=None).ledger
    with pytest.raises(FoldCountError, match=r"as many folds as groups.* is 2 and there are 3"):
        assign_folds(photos([(3, 1.0)] * 3), spec=spec, ledger=ledger)


def test_no_photo_at_all_is_an_error():
    with pytest.raises(FoldCountError, match="0 group"):
        assign_folds(photos([]), spec=FoldsConfig(), ledger=None)


def test_many_group_names_are_cut_short():
    spec = FoldsConfig(n_folds=2, strategy="leave_one_group_out")
    with pytest.raises(FoldCountError, match="and 10 more"):
        assign_folds(photos([(1, 1.0)] * 30), spec=spec, ledger=None)


def test_a_fold_that_lost_all_its_groups_is_an_error_not_a_silent_gap():
    spec = FoldsConfig(n_folds=2)
    first = assign_folds(photos([(1, 5.0)] * 4), spec=spec, ledger=None)
    fold_0 = first.table[first.table["fold"] == 0]
    rest = photos([(1, 5.0)] * 4)
    rest = rest[~rest["group"].isin(fold_0["group"])]
    with pytest.raises(EmptyFoldError, match=r"Fold\(s\) 0 hold no photo any more"):
        assign_folds(rest, spec=spec, ledger=first.ledger)
