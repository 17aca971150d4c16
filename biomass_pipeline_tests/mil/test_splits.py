import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import TooFewGroupsError
from biomass_pipeline.mil.splits import inner_parts, part_of_seed

grouped = st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1)


@given(groups=grouped, n_parts=st.integers(2, 6), seed=st.integers(0, 5))
def test_every_bag_is_in_one_part_and_no_group_in_two(groups, n_parts, seed):
    names = np.array([f"g{g}" for g in groups])
    parts = inner_parts(names, n_parts=n_parts, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(names)))
    assert len(parts) == min(n_parts, len(set(groups)))
    for one, part in enumerate(parts):
        assert len(part) > 0
        for other in parts[one + 1 :]:
            assert not set(names[part]) & set(names[other])


def test_parts_of_equal_groups_are_equal():
    names = np.repeat([f"g{i}" for i in range(10)], 7)
    assert {len(part) for part in inner_parts(names, n_parts=5, seed=3)} == {14}


@given(groups=grouped, seed=st.integers(0, 5))
def test_an_ensemble_takes_turns_until_every_bag_was_set_aside(groups, seed):
    names = np.array([f"g{g}" for g in groups])
    turn = [part_of_seed(names, inner_fraction=0.2, seed=seed, number=n) for n in range(5)]
    assert set(np.concatenate(turn).tolist()) == set(range(len(names)))
    for part in turn:
        assert set(names[part]).isdisjoint(np.delete(names, part))


def test_after_a_full_turn_the_groups_are_dealt_afresh():
    names = np.array([f"g{i}" for i in range(40)])
    first, sixth = (
        part_of_seed(names, inner_fraction=0.2, seed=0, number=number) for number in (0, 5)
    )
    assert not np.array_equal(first, sixth)


def test_a_single_group_cannot_be_split():
    with pytest.raises(TooFewGroupsError, match=r"3 training photos are all of one group \(only\)"):
        inner_parts(np.array(["only"] * 3), n_parts=5, seed=0)
