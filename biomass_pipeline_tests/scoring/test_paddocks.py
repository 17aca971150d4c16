import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import ErrorVariance, error_variance, paddock_mean


def errors(chance, *, between, within, n_groups):
    groups = np.repeat(np.arange(n_groups), chance.integers(1, 15, n_groups))
    shared = between * chance.normal(size=n_groups)
    return shared[groups] + within * chance.normal(size=len(groups)), groups


@pytest.mark.parametrize(("between", "within"), [(2.0, 1.0), (1.0, 3.0), (0.0, 1.0)])
def test_both_variances_are_found_in_groups_of_different_sizes(between, within):
    chance = np.random.default_rng(0)
    found = [
        error_variance(*errors(chance, between=between, within=within, n_groups=40))
        for _ in range(60)
    ]
    assert np.mean([one.within for one in found]) == pytest.approx(within**2, rel=0.05)
    assert np.mean([one.between for one in found]) == pytest.approx(between**2, rel=0.1, abs=0.05)


def test_a_worked_example():
    # Means 1, 4: MSB = 2 * (1.5^2 + 1.5^2) = 9 over 1, MSW = (1 + 1 + 4 + 4) / 2 = 5, n0 = 2.
    found = error_variance([0.0, 2.0, 2.0, 6.0], ["a", "a", "b", "b"])
    assert (found.between, found.within) == (2.0, 5.0)


def test_a_worked_example_of_groups_of_different_sizes():
    # Means 2, 5 about 2.75: MSB = 3 * .75^2 + 2.25^2 = 6.75, MSW = 8 / 2, n0 = 4 - 10 / 4 = 1.5.
    found = error_variance([0.0, 2.0, 4.0, 5.0], ["a", "a", "a", "b"])
    assert (found.between, found.within) == pytest.approx((2.75 / 1.5, 4.0))


def test_groups_more_alike_than_chance_share_nothing_rather_than_less():
    assert error_variance([-1.0, 1.0, -1.0, 1.0], ["a", "a", "b", "b"]).between == 0


def test_one_photo_a_group_counts_as_shared():
    found = error_variance([0.0, 2.0, 4.0], ["a", "b", "c"])
    assert (found.between, found.within) == (4.0, 0.0)


@given(n=st.integers(1, 50), between=st.floats(0, 10), within=st.floats(0, 10))
def test_photos_of_one_session_never_average_out_what_they_share(n, between, within):
    found = paddock_mean(np.full(n, 3.0), variance=ErrorVariance(between, within))
    assert found.mean == pytest.approx(3.0)
    assert found.standard_error == pytest.approx(np.sqrt(between + within / n))


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_sessions_average_out_as_often_as_they_are_visited(sizes):
    sessions = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    n, variance = len(sessions), ErrorVariance(4.0, 1.0)
    found = paddock_mean(np.arange(float(n)), variance=variance, sessions=sessions)
    shared = sum((size / n) ** 2 for size in sizes)
    assert found.standard_error == pytest.approx(np.sqrt(4 * shared + 1 / n))


def test_the_standard_error_is_that_of_new_paddocks():
    chance = np.random.default_rng(0)
    variance = ErrorVariance(between=4.0, within=9.0)
    means, said = [], []
    for _ in range(4000):
        error = 2 * chance.normal() + 3 * chance.normal(size=6)
        found = paddock_mean(error, variance=variance)
        means.append(found.mean)
        said.append(found.standard_error)
    assert np.std(means) == pytest.approx(said[0], rel=0.05)
    assert said[0] > 1.7 * np.std(error) / np.sqrt(6)  # what photos taken alone would promise


def test_one_group_cannot_show_what_groups_share():
    with pytest.raises(UndefinedScoreError, match="there is 1 group"):
        error_variance([1.0, 2.0], ["a", "a"])


def test_a_paddock_has_photos():
    with pytest.raises(UndefinedScoreError, match=r"paddock mean.*no photo"):
        paddock_mean([], variance=ErrorVariance(1.0, 1.0))
