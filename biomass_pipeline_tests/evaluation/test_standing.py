"""The model in use is held to the floor, to last time, and to what its intervals promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.evaluation import check_coverage, check_floor, check_standing, standing
from biomass_pipeline.evaluation.standing import coverage_range


def metrics(*, r2=0.7, interval=(0.6, 0.8), difference=0.4, lower=0.2, upper=0.6, coverage=0.9):
    return {
        "headline_model": "auto",
        "n_groups": 24,
        "comparisons": [
            {
                "model": model,
                "against": against,
                "difference": difference if against == "constant" else -1.0,
                "lower": lower,
                "upper": upper,
                "n_groups": 24,
            }
            for model in ("mil", "auto")
            for against in ("ridge", "constant")
        ],
        "models": {
            "auto": {
                "weighted_r2": r2,
                "weighted_r2_interval": interval,
                "intervals": {
                    "50": {"coverage": 0.0, "group_coverage": 0.5},
                    "90": {"coverage": 0.0, "group_coverage": coverage},
                },
            }
        },
    }


class TestFloor:
    def test_above_by_more_than_chance_passes(self):
        found = check_floor(metrics())
        assert found.passed
        assert found.sentence == (
            "Model auto scores +0.400 R2 over the constant, 95 % interval +0.200 to +0.600 from 24 "
            "groups."
        )

    @pytest.mark.parametrize("lower", [-0.1, 0.0])
    def test_above_by_chance_fails(self, lower):
        found = check_floor(metrics(lower=lower))
        assert not found.passed
        assert "trust the constant until there are more groups" in found.sentence

    @pytest.mark.parametrize(("difference", "passed"), [(0.1, True), (-0.1, False)])
    def test_with_a_single_group_the_difference_decides(self, difference, passed):
        found = check_floor(metrics(difference=difference, lower=None, upper=None))
        assert found.passed is passed
        assert "a single group says nothing about others" in found.sentence

    def test_without_a_constant_it_says_so(self):
        found = check_floor(metrics() | {"comparisons": []})
        assert found.passed
        assert "has no constant beside it" in found.sentence


class TestStanding:
    def test_what_is_remembered(self):
        assert standing(metrics()) == {
            "headline_model": "auto",
            "weighted_r2": 0.7,
            "weighted_r2_lower": 0.6,
            "weighted_r2_upper": 0.8,
        }
        assert standing(metrics(r2=None, interval=None)) == {"headline_model": "auto"}

    def test_within_the_interval_of_last_time_passes(self):
        found = check_standing(metrics(r2=0.61), [standing(metrics())])
        assert found.passed
        assert (
            found.sentence
            == "R2 0.610 (auto) after 0.700 (auto), whose 95 % interval begins at 0.600."
        )

    def test_below_it_fails(self):
        found = check_standing(metrics(r2=0.59), [standing(metrics())])
        assert not found.passed
        assert "look at what changed since" in found.sentence

    def test_only_the_latest_counts(self):
        past = [standing(metrics(r2=0.5, interval=(0.4, 0.6))), standing(metrics())]
        assert check_standing(metrics(r2=0.45), past).passed

    def test_runs_of_earlier_versions_remember_nothing(self):
        past = [{"images": 3}, standing(metrics())]
        assert not check_standing(metrics(r2=0.1), past).passed

    @pytest.mark.parametrize(
        ("now", "past", "words"),
        [
            (metrics(), [], "there is no earlier one to compare"),
            (metrics(r2=None, interval=None), [standing(metrics())], "There is no score"),
            (metrics(), [standing(metrics(interval=None))], "has no interval to compare with"),
        ],
    )
    def test_what_cannot_be_compared_passes_and_says_so(self, now, past, words):
        found = check_standing(now, past)
        assert found.passed
        assert words in found.sentence


class TestCoverage:
    def test_what_was_promised_passes(self):
        found = check_coverage(metrics(coverage=0.85))
        assert found.passed
        assert found.sentence == (
            "50 % intervals hold 50.0%, 90 % intervals hold 85.0% of the labels of 24 groups, "
            "weighed alike (model auto)."
        )

    def test_too_little_fails_and_the_level_is_named(self):
        found = check_coverage(metrics(coverage=0.6))
        assert not found.passed
        assert found.sentence.endswith("That is more than chance for 90 %.")

    def test_no_intervals_pass_and_say_so(self):
        found = metrics(coverage=None)
        found["models"]["auto"]["intervals"]["50"]["group_coverage"] = None
        assert check_coverage(found).passed
        assert check_coverage(found).sentence.startswith("No level has intervals")

    def test_each_level_is_held_to_its_own_range(self):
        found = check_coverage(metrics()).table.set_index("level")
        for name, level in (("50 %", 0.5), ("90 %", 0.9)):
            assert tuple(found.loc[name, ["lowest", "highest"]]) == coverage_range(level, 24)

    @pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
    @pytest.mark.parametrize("n_groups", [6, 24, 100])
    def test_groups_held_as_promised_are_called_wrong_in_at_most_one_of_a_hundred(
        self, level, n_groups
    ):
        shares = np.random.default_rng(0).binomial(n_groups, level, 4000) / n_groups
        lowest, highest = coverage_range(level, n_groups)
        assert np.mean((shares < lowest) | (shares > highest)) <= 0.013

    @given(st.floats(0.05, 0.99), st.integers(1, 300))
    def test_the_promise_itself_is_never_a_surprise(self, level, n_groups):
        lowest, highest = coverage_range(level, n_groups)
        assert 0 <= lowest <= level + 1 / n_groups
        assert level - 1 / n_groups <= highest <= 1
        assert lowest <= highest
