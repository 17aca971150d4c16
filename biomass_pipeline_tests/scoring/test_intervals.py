import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import (
    attainable_level,
    group_conformal_halfwidth,
    interval_coverage,
)

residuals = st.lists(st.floats(-50, 50), min_size=1, max_size=40)


@given(values=residuals, level=st.floats(0.05, 0.95))
def test_one_image_a_group_gives_the_split_conformal_rank(values, level):
    n = len(values)
    rank = int(np.ceil(level * (n + 1) - 1e-9))
    expected = np.sort(np.abs(values))[min(rank, n) - 1]
    assert group_conformal_halfwidth(values, range(n), level=level) == expected


@given(values=residuals, level=st.floats(0.05, 0.95), copies=st.integers(2, 5))
def test_a_group_weighs_the_same_however_many_images_it_has(values, level, copies):
    groups = list(range(len(values)))
    once = group_conformal_halfwidth([*values, 60.0], [*groups, -1], level=level)
    often = group_conformal_halfwidth(
        [*values, *[60.0] * copies], [*groups, *[-1] * copies], level=level
    )
    assert once == often


@given(values=residuals, low=st.floats(0.05, 0.9), more=st.floats(0, 0.09))
def test_a_higher_level_is_never_narrower(values, low, more):
    groups = np.arange(len(values)) // 2
    assert group_conformal_halfwidth(values, groups, level=low + more) >= group_conformal_halfwidth(
        values, groups, level=low
    )


def test_too_few_groups_give_the_largest_residual():
    assert attainable_level(3) == 0.75
    assert group_conformal_halfwidth([1, -7, 2], ["a", "b", "c"], level=0.76) == 7


def test_new_groups_are_covered_as_promised():
    chance = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        shared = chance.normal(size=(31, 1))
        error = shared + 0.5 * chance.normal(size=(31, 6))
        half = group_conformal_halfwidth(error[:30].ravel(), np.repeat(range(30), 6), level=0.9)
        covered.append(np.mean(np.abs(error[30]) <= half))
    assert 0.88 <= np.mean(covered) <= 0.96


def test_coverage_counts_the_bounds_as_inside():
    assert interval_coverage([0, 1, 2, 3], [0, 0, 0, 0], [0, 1, 1, 1]) == 0.5


def test_nothing_to_calibrate_on_is_an_error():
    with pytest.raises(UndefinedScoreError, match="no residual"):
        group_conformal_halfwidth([], [], level=0.9)
    with pytest.raises(UndefinedScoreError, match="no label"):
        interval_coverage([], [], [])
