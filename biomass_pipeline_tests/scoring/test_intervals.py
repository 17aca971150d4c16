import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import (
    attainable_level,
    conformal_halfwidths,
    group_conformal_halfwidth,
    one_per_group_halfwidth,
    score_intervals,
)

residuals = st.lists(st.floats(-50, 50), min_size=1, max_size=40)


def one_per_group(values, groups, *, level, seed=0, **options):
    return one_per_group_halfwidth(
        values, groups, level=level, chance=np.random.default_rng(seed), **options
    )


@given(values=residuals, level=st.floats(0.05, 0.95))
def test_one_image_a_group_gives_the_split_conformal_rank(values, level):
    n = len(values)
    rank = int(np.ceil(level * (n + 1) - 1e-9))
    expected = np.sort(np.abs(values))[rank - 1] if rank <= n else np.nan
    for halfwidth in (group_conformal_halfwidth, one_per_group):
        assert halfwidth(values, range(n), level=level) == pytest.approx(expected, nan_ok=True)


@given(values=residuals, level=st.floats(0.05, 0.95), copies=st.integers(2, 5))
def test_a_group_weighs_the_same_however_many_images_it_has(values, level, copies):
    groups = list(range(len(values)))
    once = group_conformal_halfwidth([*values, 60.0], [*groups, -1], level=level)
    often = group_conformal_halfwidth(
        [*values, *[60.0] * copies], [*groups, *[-1] * copies], level=level
    )
    assert once == pytest.approx(often, nan_ok=True)


@given(values=residuals, low=st.floats(0.05, 0.9), more=st.floats(0, 0.09))
def test_a_higher_level_is_never_narrower(values, low, more):
    groups = np.arange(len(values)) // 2
    for halfwidth in (group_conformal_halfwidth, one_per_group):
        wide = halfwidth(values, groups, level=low + more)
        assert np.isnan(wide) or wide >= halfwidth(values, groups, level=low)


@given(n=st.integers(1, 40), level=st.floats(0.05, 0.98))
def test_a_level_is_refused_exactly_where_the_groups_cannot_promise_it(n, level):
    promised = level <= attainable_level(n) + 1e-9
    values, groups = np.arange(3.0 * n), np.arange(3 * n) % n
    for halfwidth in (group_conformal_halfwidth, one_per_group):
        assert np.isfinite(halfwidth(values, groups, level=level)) == promised


def test_nine_groups_promise_nine_tenths_and_no_more():
    assert attainable_level(9) == 0.9
    assert group_conformal_halfwidth(range(9), range(9), level=0.9) == 8
    assert np.isnan(group_conformal_halfwidth(range(9), range(9), level=0.901))
    assert np.isnan(one_per_group(range(9), range(9), level=0.901))


def test_one_residual_of_each_group_is_drawn_not_each_residual():
    # A group of 98 small errors and one of one large error: at .6 of two groups both are needed.
    values, groups = [*[1.0] * 98, 50.0], [*["a"] * 98, "b"]
    assert one_per_group(values, groups, level=0.6) == 50
    assert one_per_group(values, groups, level=0.3) == 1


def test_draws_of_a_group_take_each_of_its_residuals_alike():
    draws = [
        one_per_group([1.0, 2.0], ["a", "a"], level=0.4, seed=n, n_repeats=1) for n in range(200)
    ]
    assert np.mean(draws) == pytest.approx(1.5, abs=0.1)


def test_the_median_over_draws_takes_the_luck_out():
    chance = np.random.default_rng(3)
    values, groups = chance.normal(size=300), np.repeat(range(30), 10)

    def luck(n_repeats):
        found = [
            one_per_group(values, groups, level=0.8, seed=seed, n_repeats=n_repeats)
            for seed in range(30)
        ]
        return np.std(found)

    assert luck(200) < luck(1) / 4


@pytest.mark.parametrize("method", ["pooled", "one_per_group"])
def test_new_groups_are_covered_as_promised(method):
    chance = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        shared = chance.normal(size=(31, 1))
        error = shared + 0.5 * chance.normal(size=(31, 6))
        half = conformal_halfwidths(
            error[:30].reshape(-1, 1),
            np.repeat(range(30), 6),
            levels=(0.5, 0.9),
            method=method,
            chance=chance,
        )
        covered.append((np.abs(error[30]) <= half).mean(axis=1))
    half, nine_tenths = np.mean(covered, axis=0)
    assert 0.47 <= half <= 0.58
    assert 0.87 <= nine_tenths <= 0.96


def test_every_level_and_target_has_its_own_halfwidth():
    residuals = np.arange(19.0)[:, None] * [1.0, 10.0]
    found = conformal_halfwidths(
        residuals,
        range(19),
        levels=(0.5, 0.9, 0.99),
        method="pooled",
        chance=np.random.default_rng(0),
    )
    np.testing.assert_array_equal(found, [[9, 90], [17, 170], [np.nan, np.nan]])


def test_coverage_counts_the_bounds_as_inside():
    assert score_intervals([0, 1, 2, 3], [0, 0, 0, 0], [0, 1, 1, 1]).coverage == 0.5


def test_refused_intervals_are_counted_and_not_scored():
    found = score_intervals([0, 1, 2, 3], [0, 0, np.nan, 0], [1, 3, np.nan, 1])
    assert (found.n, found.n_refused) == (3, 1)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.width == pytest.approx(5 / 3)


def test_where_all_is_refused_there_is_no_coverage():
    found = score_intervals([1.0], [np.nan], [np.nan])
    assert (found.n, found.n_refused, found.coverage, found.width) == (0, 1, None, None)
    found = score_intervals([1.0], [np.nan], [np.nan], groups=["a"])
    assert found.group_coverage is None


@given(copies=st.integers(1, 6))
def test_group_coverage_weighs_groups_alike_and_skips_what_is_refused(copies):
    # Group a: one of two inside; b: `copies` of as many; c: refused.
    true = [0.5, 5.0, *[0.5] * copies, 0.5]
    upper = [1.0] * (2 + copies) + [np.nan]
    groups = ["a", "a", *["b"] * copies, "c"]
    found = score_intervals(true, np.zeros(len(true)), upper, groups=groups)
    assert found.group_coverage == pytest.approx(0.75)
    assert found.coverage == pytest.approx((1 + copies) / (2 + copies))
    assert score_intervals(true, np.zeros(len(true)), upper).group_coverage is None


def test_nothing_to_calibrate_on_is_an_error():
    for halfwidth in (group_conformal_halfwidth, one_per_group):
        with pytest.raises(UndefinedScoreError, match="no residual"):
            halfwidth([], [], level=0.9)
