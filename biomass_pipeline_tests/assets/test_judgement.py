"""Judgement by hand: pooled predictions, scores beside their floor, one page."""

import base64
import re

import pandas as pd
import pytest

from biomass_pipeline.errors import PooledPredictionsError, TooManyQuarantinedError
from biomass_pipeline_tests.farm import CountingBackbone

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
def caches(stand):
    return stand.caches(0, 1, 2)


@pytest.fixture
def oof(stand, tables, caches):
    return stand.call("oof_predictions", tables, caches, stand.label_table())


def evaluation_of(stand, oof):
    return stand.call("evaluation", oof, stand.label_table())


def test_every_labelled_photo_is_pooled_with_a_plot_small_enough_for_an_event(stand, oof):
    assert oof.metadata["dagster/row_count"] == 3 * len(stand.labels.rows)
    plot = oof.metadata["predicted_against_measured"].value
    found = re.fullmatch(r"!\[[^]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", plot)
    assert base64.b64decode(found[1]).startswith(b"\x89PNG")
    assert len(plot) < METADATA_BYTES


def test_a_missing_fold_is_refused(stand, tables, caches):
    with pytest.raises(PooledPredictionsError, match="missing"):
        stand.call("oof_predictions", {0: tables[0]}, caches, stand.label_table())


def test_only_a_photo_that_could_not_be_embedded_may_be_missing(stand, tables, another_photo):
    stand.photos.files["s0n0.png"] = another_photo
    stand.backbone = CountingBackbone(fails_on_blue=99)
    without = {fold: rows[rows["image_id"] != "s0n0"] for fold, rows in tables.items()}
    caches = stand.caches(0, 1, 2)
    oof = stand.call("oof_predictions", without, caches, stand.label_table()).value
    assert len(oof) == 3 * (len(stand.labels.rows) - 1)
    assert evaluation_of(stand, oof).metadata["images"] == 11
    with pytest.raises(PooledPredictionsError, match="s0n0"):
        stand.call("oof_predictions", tables, caches, stand.label_table())


def test_too_many_refused_photos_stop_the_judgement(stand, tables, another_photo):
    stand.photos.files["s0n0.png"] = another_photo
    stand.backbone = CountingBackbone(fails_on_blue=99)
    caches = stand.caches(0, 1, 2)
    data = stand.config.data.model_copy(update={"max_quarantined_fraction": 0.05})
    strict = stand.with_config(data=data)
    with pytest.raises(TooManyQuarantinedError, match="backbone failed"):
        strict.call("oof_predictions", tables, caches, stand.label_table())


def test_scores_stand_beside_the_floor(stand, oof):
    result = evaluation_of(stand, oof.value)
    shown = result.metadata["scores"].value
    for model in MODELS:
        assert model in shown
    assert result.metadata["images"] == 12
    assert result.metadata["groups"] == 6
    assert result.data_version == evaluation_of(stand, oof.value).data_version


def test_other_predictions_have_another_version(stand, oof):
    before = evaluation_of(stand, oof.value).data_version
    oof.value["y_pred"] += 1.0
    assert evaluation_of(stand, oof.value).data_version != before


def test_the_report_is_one_page_with_the_warnings_of_the_labels(stand, oof, caches):
    stand.labels.warnings = ("line 3: an odd sum",)
    metrics = evaluation_of(stand, oof.value).value

    def page():
        tables = (metrics, oof.value, stand.manifest(), caches)
        return stand.call("report", *tables, labels=stand.labels, settings=stand.settings)

    result = page()
    assert result.value.lstrip().lower().startswith("<!doctype html")
    assert "an odd sum" in result.value
    assert stand.extraction in result.value
    assert result.metadata["dagster/size_bytes"] == len(result.value.encode())
    assert page().data_version == result.data_version
