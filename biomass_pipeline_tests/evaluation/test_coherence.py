"""Sums hold up to their tolerance among labels, and exactly among predictions."""

import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.evaluation import check_label_sums, check_predicted_sums

PLAIN = DataConfig(targets=(TargetConfig(name="mass_g"),), identities={})


def long(labels, data):
    """As if the labels had been predicted, by two models."""
    one = labels.melt("image_id", list(data.target_names), "target", "y_pred")
    return pd.concat([one.assign(model=model) for model in ("mil", "ridge")], ignore_index=True)


def test_sums_that_hold_pass(labels, data):
    found = check_label_sums(labels, data)
    assert found.passed
    assert found.sentence.startswith("0 of 48 sums are off by more than 0.01")
    assert found.facts == {"sums": 48, "widest_gap": pytest.approx(0, abs=0.01), "gross": 0}


def test_a_small_difference_is_told_and_not_grave(labels, data):
    labels.loc[3, "GDM_g"] += 0.31
    found = check_label_sums(labels, data)
    assert not found.passed
    assert not found.grave
    assert found.sentence == (
        "2 of 48 sums are off by more than 0.01, 0 of them by more than 10%: weigh or type these "
        "again."
    )
    assert found.table["image_id"].tolist()[:2] == ["ID003", "ID003"]


def test_a_gross_difference_is_grave(labels, data):
    labels.loc[3, "Dry_Total_g"] *= 2
    found = check_label_sums(labels, data)
    assert not found.passed
    assert found.grave
    assert found.table.iloc[0]["sum"] == "Dry_Total_g"
    assert found.facts["gross"] == 1
    assert found.facts["widest_gap"] == found.table.iloc[0]["gap"]


def test_no_rows_and_no_sums_pass(labels, data):
    empty = check_label_sums(labels.iloc[:0], data)
    assert empty.passed
    assert empty.facts == {"sums": 0, "widest_gap": 0.0, "gross": 0}
    assert check_label_sums(labels, PLAIN).sentence == "No sums among the targets are configured."


@pytest.mark.parametrize("models", [True, False])
def test_predicted_sums_that_hold_pass(labels, data, models):
    table = long(labels, data)
    if not models:
        table = table[table["model"] == "mil"].drop(columns="model")
    found = check_predicted_sums(table, data)
    assert found.passed
    assert found.sentence == f"0 of {96 if models else 48} predicted sums are not exact."


def test_a_predicted_sum_that_is_off_is_named(labels, data):
    table = long(labels, data)
    table.loc[(table["image_id"] == "ID005") & (table["target"] == "GDM_g"), "y_pred"] += 0.01
    found = check_predicted_sums(table, data)
    assert not found.passed
    assert found.grave
    assert set(found.table["image_id"]) == {"ID005"}
    # Each of two models, in the sum itself and in the one made of it.
    assert found.sentence == "4 of 96 predicted sums are not exact."


@pytest.mark.parametrize("target", ["Dry_Green_g", "Dry_Total_g"])
def test_an_unknown_part_or_sum_fails(labels, data, target):
    table = long(labels, data)
    table.loc[table["target"] == target, "y_pred"] = float("nan")
    assert not check_predicted_sums(table, data).passed


def test_a_part_that_is_not_predicted_fails(labels, data):
    table = long(labels, data)
    found = check_predicted_sums(table[table["target"] != "Dry_Dead_g"], data)
    assert not found.passed
    assert found.sentence == "Sums cannot be added up: Dry_Dead_g is not predicted."


def test_no_predictions_pass(labels, data):
    assert check_predicted_sums(long(labels, data).iloc[:0], data).passed
    assert check_predicted_sums(long(labels, data), PLAIN).passed
