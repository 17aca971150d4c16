import numpy as np
import pytest

from biomass_pipeline.evaluation import (
    constant_predictions,
    evaluate,
    held_out_predictions,
    pool_predictions,
)


def test_the_floor_is_the_mean_of_the_other_folds_only(labels, assignment, data):
    found = constant_predictions(labels, assignment, fold=1, targets=data.target_names, level=0.8)
    inside = assignment["fold"] == 1
    assert list(found["image_id"].unique()) == list(labels.loc[inside, "image_id"])
    for target, rows in found.groupby("target"):
        np.testing.assert_allclose(rows["y_pred"], labels.loc[~inside, target].mean())
    assert (found["y_lower"] >= 0).all()
    assert (found["y_lower"] <= found["y_pred"]).all()
    assert (found["y_pred"] < found["y_upper"]).all()


def test_the_held_out_labels_change_nothing(labels, assignment, data):
    options = {"fold": 1, "targets": data.target_names, "level": 0.8}
    other = labels.copy()
    inside = (assignment["fold"] == 1).to_numpy()
    other.loc[inside, list(data.target_names)] += 100
    first = constant_predictions(labels, assignment, **options)
    assert first.equals(constant_predictions(other, assignment, **options))


def test_a_single_training_group_still_has_a_floor(labels, assignment):
    one = labels.assign(group="only")
    found = constant_predictions(one, assignment, fold=0, targets=("GDM_g",), level=0.8)
    errors = one.loc[assignment["fold"] != 0, "GDM_g"]
    half = np.abs(errors - errors.mean()).max()
    np.testing.assert_allclose(found["y_upper"], errors.mean() + half)


def test_the_floor_scores_above_zero_since_the_metric_has_one_mean(labels, assignment, data):
    targets = data.target_names
    parts = [
        held_out_predictions(
            {
                "constant": constant_predictions(
                    labels, assignment, fold=fold, targets=targets, level=0.8
                )
            },
            labels=labels,
            fold=fold,
            targets=targets,
        )
        for fold in range(3)
    ]
    result = evaluate(pool_predictions(parts, labels=labels), labels, data=data, level=0.8)
    floor = result.metrics["models"]["constant"]
    assert 0 < floor["weighted_r2"] < 1
    assert floor["weighted_r2"] == pytest.approx(floor["floor_r2"])
    assert all(line["r2"] <= 0 for line in floor["targets"].values())
