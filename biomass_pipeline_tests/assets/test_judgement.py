"""Judgement by hand: pooled predictions, scores beside their floor, one page."""

import base64
import re

import pandas as pd
import pytest

from biomass_pipeline.errors import PooledPredictionsError

# A row of Dagster's event store should stay below this.
METADATA_BYTES = 100_000
MODELS = ("mil", "ridge", "constant")


@pytest.fixture
def tables(stand):
    """Each fold's predictions, a tenth too low by every model."""
    labels = stand.label_table().merge(stand.folds()[["image_id", "fold"]])
    rows = pd.DataFrame(
        {
            "image_id": labels["image_id"],
            "fold": labels["fold"],
            "group": labels["group"],
            "target": "mass_g",
            "y_true": labels["mass_g"],
            "y_pred": 0.9 * labels["mass_g"],
            "y_lower": 0.5 * labels["mass_g"],
            "y_upper": 1.5 * labels["mass_g"],
        }
    )
    whole = pd.concat([rows.assign(model=model) for model in MODELS])
    return dict(iter(whole.groupby("fold")))


@pytest.fixture
def oof(stand, tables):
    return stand.call("oof_predictions", tables, stand.label_table())


def evaluation_of(stand, oof):
    return stand.call("evaluation", oof.value, stand.label_table())


def test_every_labelled_photo_is_pooled_with_a_plot_small_enough_for_an_event(stand, oof):
    assert oof.metadata["dagster/row_count"] == 3 * len(stand.labels.rows)
    plot = oof.metadata["predicted_against_measured"].value
    found = re.fullmatch(r"!\[[^]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", plot)
    assert base64.b64decode(found[1]).startswith(b"\x89PNG")
    assert len(plot) < METADATA_BYTES


def test_a_missing_fold_is_refused(stand, tables):
    with pytest.raises(PooledPredictionsError, match="missing"):
        stand.call("oof_predictions", {0: tables[0]}, stand.label_table())


def test_scores_stand_beside_the_floor(stand, oof):
    result = evaluation_of(stand, oof)
    shown = result.metadata["scores"].value
    for model in MODELS:
        assert model in shown
    assert result.metadata["images"] == 12
    assert result.metadata["groups"] == 6
    assert result.data_version == evaluation_of(stand, oof).data_version


def test_other_predictions_have_another_version(stand, oof):
    before = evaluation_of(stand, oof).data_version
    oof.value["y_pred"] += 1.0
    assert evaluation_of(stand, oof).data_version != before


def test_the_report_is_one_page_with_the_warnings_of_the_labels(stand, oof):
    stand.labels.warnings = ("line 3: an odd sum",)
    metrics = evaluation_of(stand, oof).value

    def page():
        tables = (metrics, oof.value, stand.manifest())
        return stand.call("report", *tables, labels=stand.labels, settings=stand.settings)

    result = page()
    assert result.value.lstrip().lower().startswith("<!doctype html")
    assert "an odd sum" in result.value
    assert stand.extraction in result.value
    assert result.metadata["dagster/size_bytes"] == len(result.value.encode())
    assert page().data_version == result.data_version
