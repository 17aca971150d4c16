"""Held-out predictions by hand: every model on the fold's own photos, and what was chosen."""

import json

import pytest

from biomass_pipeline.evaluation import prediction_columns

MODELS = {"constant", "ridge", "mil", "stack", "auto"}


@pytest.fixture
def result(stand):
    return stand.predictions(1)


def test_held_out_photos_are_predicted_by_every_model(stand, result):
    table = result.value
    own = stand.folds().query("fold == 1")["image_id"]
    assert set(table["model"]) == MODELS
    assert set(table["image_id"]) == set(own)
    assert len(table) == len(MODELS) * len(own)
    assert set(table["fold"]) == {1}
    assert result.metadata["photos"] == len(own)
    assert result.data_version == stand.predictions(1).data_version


def test_the_columns_are_the_contracts_and_the_choice(stand, result):
    told = prediction_columns(stand.config.evaluation)
    assert list(result.value.columns) == [*told, "chosen", "inner_r2", "training_state"]


def test_every_fold_is_predicted_by_the_state_that_the_others_are(stand, result):
    """Settings and what each fold teaches, the held-out one included: one text for all folds."""
    (state,) = set(result.value["training_state"])
    assert {*json.loads(state)} == {
        "network",
        "ridge",
        "intervals",
        *(f"{kind}, fold {fold}" for kind in ("network", "ridge") for fold in range(3)),
    }
    (other,) = set(stand.predictions(2).value["training_state"])
    assert other == state
    stand.labels.rows["s0n0.png"] = ("2024-05-01", 99.0)
    (changed,) = set(stand.predictions(2).value["training_state"])
    fold = int(stand.folds().set_index("image_id")["fold"]["s0n0"])
    before, after = json.loads(state), json.loads(changed)
    assert {part for part in before if before[part] != after[part]} == {
        f"network, fold {fold}",
        f"ridge, fold {fold}",
    }


def test_auto_is_the_copy_of_what_was_chosen(result):
    by_model = dict(iter(result.value.groupby("model")))
    chosen = result.metadata["chosen"]
    assert set(result.value["chosen"]) == {chosen}
    numbers = ["image_id", "y_pred", "y_lower", "y_upper", "crps", "pit"]
    taken, auto = (by_model[model][numbers].reset_index(drop=True) for model in (chosen, "auto"))
    assert auto.equals(taken)
    scores = result.metadata["inner_scores"].value
    assert scores[chosen] == max(scores.values())


def test_a_label_of_the_fold_itself_changes_no_prediction_and_no_choice(stand, result):
    """What is measured on the held-out photos is only compared with."""
    said = ["image_id", "model", "y_pred", "chosen", "inner_r2", "ood_percentile"]
    for image_id in stand.folds().query("fold == 1")["image_id"]:
        date, mass = stand.labels.rows[f"{image_id}.png"]
        stand.labels.rows[f"{image_id}.png"] = (date, mass + 50.0)
    poisoned = stand.predictions(1)
    assert poisoned.value[said].equals(result.value[said])
    assert (poisoned.value["y_true"] > result.value["y_true"]).all()
    assert poisoned.metadata["inner_scores"].value == result.metadata["inner_scores"].value
