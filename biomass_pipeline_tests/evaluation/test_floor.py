import numpy as np
import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation import (
    constant_predictions,
    evaluate,
    held_out_predictions,
    pool_predictions,
)
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.targets import TargetSpec

# Four groups are left to learn from, which can promise 80 % and no more.
JUDGING = EvaluationConfig(interval_level=0.8, inner_levels=(0.5,), n_draws=40, n_resamples=100)
SPEC = PredictionSpec.from_config(JUDGING)


@pytest.fixture
def targets(data):
    return TargetSpec.from_config(data)


def floor(labels, assignment, targets, *, fold, spec=SPEC):
    return constant_predictions(labels, assignment, fold=fold, targets=targets, spec=spec)


def test_the_floor_is_the_mean_of_the_other_folds_only(labels, assignment, targets):
    found = floor(labels, assignment, targets, fold=1)
    inside = assignment["fold"] == 1
    assert list(found.image_ids) == list(labels.loc[inside, "image_id"])
    means = labels.loc[~inside, list(targets.names)].mean()
    np.testing.assert_allclose(found.y, np.tile(means, (inside.sum(), 1)))
    assert (found.lower >= 0).all()
    assert (found.lower <= found.y).all()
    assert (found.y < found.upper).all()


def test_the_held_out_labels_change_nothing(labels, assignment, targets):
    other = labels.copy()
    inside = (assignment["fold"] == 1).to_numpy()
    other.loc[inside, list(targets.names)] += 100
    first = floor(labels, assignment, targets, fold=1)
    again = floor(other, assignment, targets, fold=1)
    for name in ("components", "lower", "upper", "draws"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_intervals_come_from_means_that_leave_a_group_out(labels, assignment, targets):
    """With four groups at 80 % the half-width is the largest such error: by hand."""
    found = floor(labels, assignment, targets, fold=0)
    train = labels[(assignment["fold"] != 0).to_numpy()]
    errors = [
        (rows["GDM_g"] - train.loc[train["group"] != group, "GDM_g"].mean()).abs().max()
        for group, rows in train.groupby("group")
    ]
    column = targets.names.index("GDM_g")
    half = found.upper[-1, :, column] - found.y[:, column]
    np.testing.assert_allclose(half, max(errors))


def test_a_level_that_the_groups_cannot_promise_is_refused(labels, assignment, targets):
    spec = PredictionSpec.from_config(EvaluationConfig(n_draws=40))
    found = floor(labels, assignment, targets, fold=0, spec=spec)
    assert np.isnan(found.upper[-1]).all()
    assert np.isfinite(found.upper[0]).all()


def test_a_single_training_group_still_has_a_floor(labels, assignment, targets):
    one = labels.assign(group="only")
    found = floor(one, assignment, targets, fold=0)
    outside = (assignment["fold"] != 0).to_numpy()
    means = one.loc[outside, list(targets.names)].mean()
    np.testing.assert_allclose(found.y[0], means)


def test_the_floor_scores_above_zero_since_the_metric_has_one_mean(
    labels, assignment, targets, data
):
    parts = [
        held_out_predictions(
            {"constant": floor(labels, assignment, targets, fold=fold)},
            labels=labels,
            fold=fold,
            targets=targets.names,
            novelty=None,
            seed=0,
        )
        for fold in range(3)
    ]
    result = evaluate(pool_predictions(parts, labels=labels), labels, data=data, evaluation=JUDGING)
    found = result.metrics["models"]["constant"]
    assert 0 < found["weighted_r2"] < 1
    assert found["weighted_r2"] == pytest.approx(found["floor_r2"])
    assert all(line["r2"] <= 0 for line in found["targets"].values())
    assert result.metrics["out_of_domain"] is None
