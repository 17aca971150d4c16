"""Norms are compared with those of the same extraction; columns that never vary are counted."""

import numpy as np
import pytest

from biomass_pipeline.evaluation import FeatureSummary, check_dead_dimensions, check_norms
from biomass_pipeline.store import FeatureSet


def features(rows):
    rows = np.asarray(rows, dtype=np.float16)
    n = len(rows)
    return FeatureSet(
        features=rows,
        coords=np.zeros((n, 2), np.int32),
        area_weight=np.ones(n, np.float32),
        image_ids=tuple(f"p{i}" for i in range(n)),
        image_sha256=tuple(f"{i:064x}" for i in range(n)),
        offsets=np.arange(n + 1),
    )


def rows(seed=0, *, n=40, scale=1.0):
    return scale * np.random.default_rng(seed).normal(2.0, 1.0, (n, 10))


def summary(found):
    return FeatureSummary.of(features(found))


def past(*seeds, scale=1.0):
    return [summary(rows(seed, scale=scale)).metadata() for seed in seeds]


def test_a_summary_counts_and_measures():
    found = summary([[3.0, 4.0, 1.0], [6.0, 8.0, 1.0], [3.0, 4.0, 1.0]])
    assert (found.n_rows, found.n_dimensions, found.n_dead) == (3, 3, 1)
    assert found.norm_median == pytest.approx(np.sqrt(26))


class TestNorms:
    def test_the_same_extraction_of_other_photos_passes(self):
        found = check_norms(summary(rows(9)), past(1, 2, 3))
        assert found.passed
        assert "3 earlier ones of this extraction have a median of" in found.sentence

    def test_features_of_another_scale_fail(self):
        found = check_norms(summary(rows(9, scale=4.0)), past(1, 2, 3))
        assert not found.passed
        assert "To do: compare the photos, the precision and the device" in found.sentence

    def test_one_odd_fold_in_the_past_does_not_decide(self):
        assert check_norms(summary(rows(9)), [*past(1, 2, 3), *past(4, scale=50.0)]).passed

    def test_norms_that_are_all_one_may_differ_a_little(self):
        unit = np.eye(10)[np.arange(40) % 10]
        earlier = [summary(unit).metadata()]
        assert check_norms(summary(unit * 1.1), earlier).passed
        assert not check_norms(summary(unit * 1.5), earlier).passed

    def test_without_history_it_says_so(self):
        found = check_norms(summary(rows()), [])
        assert found.passed
        assert found.sentence.endswith("there is no earlier one to compare.")

    @pytest.mark.parametrize("given", [np.empty((0, 10)), np.full((3, 10), np.nan)])
    def test_without_a_finite_row_it_says_so(self, given):
        found = check_norms(summary(given), past(1))
        assert found.passed
        assert found.sentence == "There is no row to compare."
        assert summary(given).metadata() == {}


class TestDeadDimensions:
    def test_some_pass_and_are_counted(self):
        found = rows()
        found[:, :2] = 1.0
        result = check_dead_dimensions(summary(found))
        assert result.passed
        assert result.sentence == ("2 of 10 dimensions are the same in all rows; the limit is 25%.")

    def test_many_fail(self):
        found = rows()
        found[:, :3] = 0.0
        result = check_dead_dimensions(summary(found))
        assert not result.passed
        assert "look at the photos of this fold" in result.sentence

    def test_few_rows_cannot_tell(self):
        result = check_dead_dimensions(summary(np.zeros((3, 10))))
        assert result.passed
        assert "3 rows are too few" in result.sentence
