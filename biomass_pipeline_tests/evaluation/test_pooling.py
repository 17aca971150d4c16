from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.errors import MixedTrainingError, PooledPredictionsError
from biomass_pipeline.evaluation import (
    PREDICTION_COLUMNS,
    held_out_predictions,
    pool_predictions,
    prediction_columns,
    refuse_mixed_training,
    with_training_state,
)
from biomass_pipeline.mil.predictive import Predictive
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring import crps_of_draws


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


def predictive(ids, *, n_draws=50, seed=0, levels=(0.5, 0.8, 0.9)):
    """Predictions around 10 g a component with draws that add up; a tenth of the clover is zero."""
    targets = TargetSpec.from_config(DataConfig())
    chance = np.random.default_rng(seed)
    parts = chance.gamma(4, 2.5, (n_draws, len(ids), len(targets.components)))
    parts[chance.random(parts.shape) < 0.1] = 0
    points = targets.sums(np.full((len(ids), len(targets.components)), 10.0))
    half = np.array(levels)[:, None, None] * np.ones_like(points)
    return Predictive(
        image_ids=tuple(ids),
        targets=targets,
        components=np.full((len(ids), len(targets.components)), 10.0),
        levels=levels,
        lower=points - half,
        upper=points + half,
        draws=targets.sums(parts),
        headline=max(levels),
    )


def held_out(predictions, labels, **changes):
    options = {
        "fold": 2,
        "targets": DataConfig().target_names,
        "novelty": None,
        "seed": 0,
        **changes,
    }
    return held_out_predictions(predictions, labels=labels, **options)


def test_a_folds_predictions_meet_what_was_measured(labels):
    frames = {"mil": predictive(["ID003", "ID001"]), "ridge": predictive(["ID001"])}
    table = held_out(frames, labels, targets=("Dry_Total_g", "GDM_g"))
    assert tuple(table.columns) == PREDICTION_COLUMNS
    assert list(table["model"]) == ["mil"] * 4 + ["ridge"] * 2
    assert set(table["fold"]) == {2}
    known = labels.set_index("image_id")
    for row in table.itertuples():
        assert row.y_true == known.loc[row.image_id, row.target]
        assert row.group == known.loc[row.image_id, "group"]
        assert row.y_pred == {"Dry_Total_g": 30, "GDM_g": 20}[row.target]


def test_crps_and_pit_are_those_of_the_rows_own_draws(labels):
    found = predictive(["ID003", "ID001"])
    table = held_out({"mil": found}, labels)
    for row in table.itertuples():
        photo = found.image_ids.index(row.image_id)
        draws = found.draws[:, photo, found.targets.names.index(row.target)]
        assert row.crps == pytest.approx(float(crps_of_draws(draws, row.y_true)))
        below, ties = (draws < row.y_true).sum(), (draws == row.y_true).sum()
        assert below / 51 <= row.pit <= (below + ties + 1) / 51


def test_the_randomisation_follows_seed_and_fold_and_not_the_other_models(labels):
    found = predictive(["ID003", "ID001"])
    alone = held_out({"mil": found}, labels)
    beside = held_out({"ridge": predictive(["ID005"], seed=1), "mil": found}, labels)
    mine = beside[beside["model"] == "mil"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, mine)
    assert not np.array_equal(alone["pit"], held_out({"mil": found}, labels, seed=1)["pit"])
    assert not np.array_equal(alone["pit"], held_out({"mil": found}, labels, fold=1)["pit"])


@pytest.mark.parametrize("n_draws", [20, 200])
def test_draws_like_the_labels_have_an_even_pit(labels, n_draws):
    """Labels that come from the same distribution as the draws, zeros included."""
    chance = np.random.default_rng(5)
    targets = TargetSpec.from_config(DataConfig())
    parts = chance.gamma(2, 5, (n_draws + 1, 2000, 3))
    parts[chance.random(parts.shape) < 0.3] = 0
    values = targets.sums(parts)
    ids = [f"P{k}" for k in range(2000)]
    found = predictive(ids, n_draws=n_draws)
    table = held_out(
        {"mil": replace(found, draws=values[1:])},
        pd.DataFrame(
            {
                "image_id": ids,
                "group": "g",
                **dict(zip(targets.names, values[0].T, strict=True)),
            }
        ),
    )
    for _, rows in table.groupby("target"):
        counts, _ = np.histogram(rows["pit"], bins=10, range=(0, 1))
        # 200 a bin, standard deviation 13.
        assert np.abs(counts - 200).max() < 60


def test_a_photos_percentile_stands_beside_all_its_targets(labels):
    table = held_out({"mil": predictive(["ID003", "ID001"])}, labels, novelty={"ID003": 97.5})
    assert (table.loc[table["image_id"] == "ID003", "ood_percentile"] == 97.5).all()
    assert table.loc[table["image_id"] == "ID001", "ood_percentile"].isna().all()


def test_bounds_follow_the_levels_that_were_predicted(labels):
    table = held_out({"mil": predictive(["ID003"], levels=(0.6, 0.975))}, labels)
    bounds = ["y_lower_60", "y_upper_60"]
    assert [name for name in table if name.startswith(("y_lower_", "y_upper_"))] == bounds
    judging = EvaluationConfig(interval_level=0.975, inner_levels=(0.6,))
    assert tuple(table.columns) == prediction_columns(judging)


def test_the_columns_have_the_names_that_other_tools_read():
    assert PREDICTION_COLUMNS == (
        "image_id",
        "fold",
        "group",
        "target",
        "y_true",
        "y_pred",
        "y_lower",
        "y_upper",
        "model",
        "y_lower_50",
        "y_upper_50",
        "y_lower_80",
        "y_upper_80",
        "p_zero",
        "crps",
        "pit",
        "ood_percentile",
    )


def test_a_prediction_for_an_unlabelled_photo_is_named(labels):
    frames = {"mil": predictive(["ID001", "other"])}
    with pytest.raises(PooledPredictionsError, match=r"fold 1: 1 image\(s\) without label: other"):
        held_out(frames, labels, fold=1)


OLD = {"network": "old", "network, fold 0": "a", "network, fold 1": "b"}
NEW = OLD | {"network": "new"}


def stated(folds, states):
    return {fold: with_training_state(folds[fold], state) for fold, state in enumerate(states)}


class TestTrainingStates:
    def test_folds_of_one_state_are_pooled_even_if_it_is_no_longer_the_present_one(self, folds):
        def never():
            raise AssertionError("the present state takes reading all features")

        refuse_mixed_training(stated(folds, [OLD, OLD, OLD]), now=never)

    def test_of_two_states_the_folds_that_are_not_up_to_date_are_named(self, folds):
        mixed = stated(folds, [OLD, NEW, OLD])
        with pytest.raises(MixedTrainingError) as caught:
            refuse_mixed_training(mixed, now=lambda: NEW)
        assert "Fold(s) to rerun: 0, 2." in str(caught.value)
        assert "They differ in: network." in str(caught.value)

    def test_what_a_fold_taught_is_compared_fold_by_fold(self, folds):
        other = OLD | {"network, fold 1": "c"}
        with pytest.raises(
            MixedTrainingError, match=r"differ in: network, fold 1\..*rerun: 0, 1\."
        ):
            refuse_mixed_training(stated(folds, [OLD, OLD, other]), now=lambda: other)

    def test_if_none_is_up_to_date_all_are_to_rerun(self, folds):
        with pytest.raises(MixedTrainingError, match=r"rerun: 0, 1, 2\."):
            refuse_mixed_training(stated(folds, [OLD, NEW, OLD]), now=lambda: OLD | {"x": "y"})

    def test_a_fold_that_says_nothing_agrees_with_nothing(self, folds):
        mixed = stated(folds, [OLD, OLD, OLD]) | {1: folds[1]}
        with pytest.raises(MixedTrainingError, match=r"rerun: 1\."):
            refuse_mixed_training(mixed, now=lambda: OLD)
        with pytest.raises(MixedTrainingError, match="which they do not say"):
            refuse_mixed_training(dict(enumerate(folds)), now=lambda: OLD)
