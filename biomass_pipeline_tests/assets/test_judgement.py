"""Judgement by hand: pooled predictions, scores beside their floor, one page."""

import base64
import re

import dagster as dg
import pandas as pd
import pytest

from biomass_pipeline.errors import (
    MixedTrainingError,
    PooledPredictionsError,
    TooManyQuarantinedError,
)
from biomass_pipeline.evaluation import compare_protocols
from biomass_pipeline.evaluation.protocols import PROTOCOL_COLUMNS
from biomass_pipeline.orchestration import InMemory
from biomass_pipeline_tests.farm import CountingBackbone

# A row of Dagster's event store should stay below this.
METADATA_BYTES = 100_000
MODELS = ("mil", "ridge", "constant", "stack", "auto")


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
            "y_lower_50": 0.8 * labels["mass_g"],
            "y_upper_50": labels["mass_g"],
            "y_lower_80": 0.7 * labels["mass_g"],
            "y_upper_80": 1.2 * labels["mass_g"],
            "p_zero": 0.0,
            "crps": 0.1 * labels["mass_g"],
            "pit": 0.5,
            "ood_percentile": 50.0,
            "chosen": "ridge",
            "inner_r2": 0.5,
            "training_state": '{"network": "a"}',
        }
    )
    whole = pd.concat([rows.assign(model=model) for model in MODELS])
    return dict(iter(whole.groupby("fold")))


@pytest.fixture
def caches(stand):
    return stand.caches(0, 1, 2)


@pytest.fixture
def oof(stand, tables, caches):
    return pooled(stand, tables, caches)


def pooled(stand, tables, caches):
    labels = stand.label_table()
    return stand.call("oof_predictions", tables, caches, labels, settings=stand.settings)


def evaluation_of(stand, oof):
    return stand.call("evaluation", oof, stand.label_table(), settings=stand.settings)


def test_every_labelled_photo_is_pooled_with_a_plot_small_enough_for_an_event(stand, oof):
    assert oof.metadata["dagster/row_count"] == len(MODELS) * len(stand.labels.rows)
    plot = oof.metadata["predicted_against_measured"].value
    found = re.fullmatch(r"!\[[^]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", plot)
    assert base64.b64decode(found[1]).startswith(b"\x89PNG")
    assert len(plot) < METADATA_BYTES


def test_a_missing_fold_is_refused(stand, tables, caches):
    with pytest.raises(PooledPredictionsError, match="missing"):
        pooled(stand, {0: tables[0]}, caches)


def test_the_state_of_training_is_not_pooled(oof):
    assert "training_state" not in oof.value


def test_folds_of_several_states_are_refused_with_those_to_rerun(stand, caches):
    tables = {fold: stand.predictions(fold).value for fold in range(3)}
    assert len(pooled(stand, tables, caches).value) == len(MODELS) * len(stand.labels.rows)
    training = stand.config.training.model_copy(update={"learning_rate": 0.5})
    changed = stand.with_config(training=training)
    tables[1] = changed.predictions(1).value
    with pytest.raises(
        MixedTrainingError, match=r"differ in: network\. Fold\(s\) to rerun: 0, 2\."
    ):
        pooled(changed, tables, caches)
    # And back again, it is the other one.
    with pytest.raises(MixedTrainingError, match=r"Fold\(s\) to rerun: 1\."):
        pooled(stand, tables, caches)


def test_only_a_photo_that_could_not_be_embedded_may_be_missing(stand, tables, another_photo):
    stand.photos.files["s0n0.png"] = another_photo
    stand.backbone = CountingBackbone(fails_on_blue=99)
    without = {fold: rows[rows["image_id"] != "s0n0"] for fold, rows in tables.items()}
    caches = stand.caches(0, 1, 2)
    oof = pooled(stand, without, caches).value
    assert len(oof) == len(MODELS) * (len(stand.labels.rows) - 1)
    assert evaluation_of(stand, oof).metadata["images"] == 11
    with pytest.raises(PooledPredictionsError, match="s0n0"):
        pooled(stand, tables, caches)


def test_too_many_refused_photos_stop_the_judgement(stand, tables, another_photo):
    stand.photos.files["s0n0.png"] = another_photo
    stand.backbone = CountingBackbone(fails_on_blue=99)
    caches = stand.caches(0, 1, 2)
    data = stand.config.data.model_copy(update={"max_quarantined_fraction": 0.05})
    strict = stand.with_config(data=data)
    with pytest.raises(TooManyQuarantinedError, match="backbone failed"):
        pooled(strict, tables, caches)


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


def test_scores_say_what_they_were_made_of_and_are_no_other_scores_for_it(stand, oof):
    before = evaluation_of(stand, oof.value)
    training = stand.config.training.model_copy(update={"epochs": 77})
    after = evaluation_of(stand.with_config(training=training), oof.value)
    assert before.value["made_of"]["configuration"]["training"]["epochs"] != 77
    assert after.value["made_of"]["configuration"]["training"]["epochs"] == 77
    assert {"extraction", "versions"} <= set(after.value["made_of"])
    assert after.data_version == before.data_version


def test_the_headline_is_the_configured_model_with_what_was_chosen(stand, oof):
    auto = evaluation_of(stand, oof.value).value
    assert auto["headline_model"] == "auto"
    assert {fold["model"] for fold in auto["choices"].values()} == {"ridge"}
    training = stand.config.training.model_copy(update={"model": "stack"})
    stacked = evaluation_of(stand.with_config(training=training), oof.value).value
    assert stacked["headline_model"] == "stack"


@pytest.fixture
def documents():
    return InMemory()


@pytest.fixture
def page(stand, oof, caches, documents):
    """Render the report of these predictions, with the documents that are there."""
    metrics = evaluation_of(stand, oof.value).value

    def render():
        return stand.asset("report")(
            dg.build_asset_context(),
            metrics,
            oof.value,
            stand.manifest(),
            stand.label_table(),
            caches,
            {},
            labels=stand.labels,
            photos=stand.photos,
            settings=stand.settings,
            documents=documents,
        )

    return render


def test_the_report_is_one_page_with_the_warnings_of_the_labels(stand, page):
    stand.labels.warnings = ("line 3: an odd sum",)
    result = page()
    shown = result.value.page
    assert shown.lstrip().lower().startswith("<!doctype html")
    assert "an odd sum" in shown
    assert stand.extraction in shown
    assert result.metadata["dagster/size_bytes"] == len(shown.encode())
    assert page().data_version == result.data_version


def test_every_photo_can_be_opened_from_the_report(stand, page):
    shown = page().value.page

    for photo in stand.label_table()["image_id"]:
        assert f'"{photo}"' in shown
    assert shown.count("data:image/webp;base64,") == len(stand.labels.rows)


def test_cards_and_figures_lie_beside_it_and_small_figures_are_metadata(page):
    result = page()

    assert {"report.md", "model_card.md", "data_card.md"} <= set(result.value.beside())
    slugs = {figure.slug for figure in result.value.figures}
    assert "predicted_against_measured_auto" in slugs & set(result.metadata)
    assert all(
        len(str(value.value)) < METADATA_BYTES
        for name, value in result.metadata.items()
        if name in slugs
    )


def test_what_is_optional_is_shown_when_it_is_there_and_waited_for_by_nobody(
    stand, oof, page, documents
):
    without = page().value.page
    comparison = compare_protocols(
        {"random-3-seed-0": random_folds(oof.value)}, stand.label_table(), config=stand.config
    )
    documents.put("protocols", comparison)
    shown = page().value.page
    assert len(shown) > len(without)
    assert "random" in shown.lower()


def random_folds(oof):
    """Out-of-fold predictions as if photos had been dealt one by one."""
    table = oof.assign(
        key="random-3-seed-0",
        kind="random",
        split="fold " + oof["fold"].astype("str"),
        n_train_groups=6,
    )
    return table[list(PROTOCOL_COLUMNS)]
