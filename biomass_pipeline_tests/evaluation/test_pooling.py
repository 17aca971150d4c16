import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.errors import PooledPredictionsError
from biomass_pipeline.evaluation import (
    PREDICTION_COLUMNS,
    held_out_predictions,
    pool_predictions,
)


def test_every_image_target_and_model_is_there_once_in_label_order(folds, labels):
    pooled = pool_predictions(folds[::-1], labels=labels)
    assert not pooled.duplicated(["image_id", "target", "model"]).any()
    for _, rows in pooled.groupby(["model", "target"]):
        assert list(rows["image_id"]) == list(labels["image_id"])


def test_the_order_of_folds_and_rows_does_not_matter(folds, labels):
    shuffled = [part.sample(frac=1, random_state=1) for part in folds[::-1]]
    first = pool_predictions(folds, labels=labels)
    again = pool_predictions(shuffled, labels=labels)
    keys = ["model", "image_id", "target"]
    pd.testing.assert_frame_equal(
        first.sort_values(keys, ignore_index=True), again.sort_values(keys, ignore_index=True)
    )


def without_one_target(folds):
    gone = (folds[1]["model"] == "mil") & (folds[1]["target"] == "GDM_g")
    return [folds[0], folds[1][~gone], folds[2]]


def moved(folds):
    return [folds[0], folds[1].assign(image_id=folds[0]["image_id"].iloc[0]), folds[2]]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folds: folds[:2], r"model mil, target Dry_Green_g: 8 image\(s\) missing: ID008"),
        (without_one_target, r"model mil, target GDM_g: 8 image\(s\) missing: .* and 5 more"),
        (lambda folds: [*folds, folds[0]], "more than once: ID000"),
        (moved, r"in more than one fold: ID000"),
        (lambda folds: [folds[0].assign(y_pred=np.nan), *folds[1:]], "without a number"),
        (lambda folds: [folds[0].replace("ID000", "ID999"), *folds[1:]], "without label: ID999"),
    ],
)
def test_what_would_make_a_score_dishonest_is_named(folds, labels, break_it, words):
    with pytest.raises(PooledPredictionsError, match=words):
        pool_predictions(break_it(folds), labels=labels)


def guesses(ids, targets):
    return pd.DataFrame(
        {
            "image_id": np.repeat(ids, len(targets)),
            "target": list(targets) * len(ids),
            "y_pred": 1.0,
            "y_lower": 0.0,
            "y_upper": 2.0,
        }
    )


def test_a_folds_predictions_meet_what_was_measured(labels):
    targets = ("Dry_Total_g", "GDM_g")
    frames = {"mil": guesses(["ID003", "ID001"], targets), "ridge": guesses(["ID001"], targets)}
    table = held_out_predictions(frames, labels=labels, fold=2, targets=targets)
    assert tuple(table.columns) == PREDICTION_COLUMNS
    assert list(table["model"]) == ["mil"] * 4 + ["ridge"] * 2
    assert set(table["fold"]) == {2}
    known = labels.set_index("image_id")
    for row in table.itertuples():
        assert row.y_true == known.loc[row.image_id, row.target]
        assert row.group == known.loc[row.image_id, "group"]


def test_a_prediction_for_an_unlabelled_photo_is_named(labels):
    frames = {"mil": guesses(["ID001", "other"], ("GDM_g",))}
    with pytest.raises(PooledPredictionsError, match=r"fold 1: 1 image\(s\) without label: other"):
        held_out_predictions(frames, labels=labels, fold=1, targets=("GDM_g",))
