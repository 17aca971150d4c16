import json

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, EvaluationConfig, TargetConfig
from biomass_pipeline.errors import PooledPredictionsError, UndefinedScoreError
from biomass_pipeline.evaluation import (
    Selection,
    evaluate,
    headline_model,
    pool_predictions,
    score_table,
)
from biomass_pipeline.scoring import score_target, weighted_r2

JUDGING = EvaluationConfig(n_resamples=200)


@pytest.fixture
def oof(folds, labels):
    return pool_predictions(folds, labels=labels)


@pytest.fixture
def result(oof, labels, data):
    return evaluate(oof, labels, data=data, evaluation=JUDGING)


def arrays(rows, data):
    wide = rows.pivot_table(index="image_id", columns="target", values=["y_true", "y_pred"])
    names = list(data.target_names)
    return wide["y_true"][names].to_numpy(), wide["y_pred"][names].to_numpy()


def r2(rows, data):
    return weighted_r2(*arrays(rows, data), targets=data.target_names, weights=data.target_weights)


def test_each_score_is_that_of_the_pooled_rows(oof, result, data):
    for model, rows in oof.groupby("model"):
        found = result.metrics["models"][model]
        assert found["weighted_r2"] == pytest.approx(r2(rows, data))
        for target, part in rows.groupby("target"):
            score = score_target(part["y_true"], part["y_pred"])
            assert found["targets"][target]["rmse"] == pytest.approx(score.rmse)
            assert found["targets"][target]["bias"] == pytest.approx(score.bias)


def test_the_floor_stands_beside_every_score(result):
    models = result.metrics["models"]
    assert {found["floor_r2"] for found in models.values()} == {models["constant"]["weighted_r2"]}


def test_every_part_is_scored_around_its_own_mean(oof, labels, result, data):
    state = labels.set_index("image_id")["State"]
    found = result.metrics["models"]["mil"]
    rows = oof[oof["model"] == "mil"]
    tas = rows[rows["image_id"].map(state) == "Tas"]
    assert found["group_columns"]["State"]["Tas"]["weighted_r2"] == pytest.approx(r2(tas, data))
    assert found["folds"]["1"]["weighted_r2"] == pytest.approx(r2(rows[rows["fold"] == 1], data))
    for parts in (found["folds"], *found["group_columns"].values()):
        assert sum(part["n"] for part in parts.values()) == len(labels)


def test_a_part_without_spread_has_errors_but_no_r2(oof, labels, data):
    images = labels.loc[labels["State"] == "WA", "image_id"]
    flat = oof["image_id"].isin(images)
    oof.loc[flat, "y_true"] = 7.0
    part = evaluate(oof, labels, data=data, evaluation=JUDGING).metrics["models"]["mil"][
        "group_columns"
    ]
    assert part["State"]["WA"]["weighted_r2"] is None
    assert part["State"]["WA"]["targets"]["GDM_g"]["rmse"] > 0
    assert part["State"]["WA"]["n_groups"] == 2


def test_grams_are_also_told_as_dry_matter_a_hectare(result):
    line = result.metrics["models"]["ridge"]["targets"]["Dry_Total_g"]
    assert line["rmse_kg_ha"] == pytest.approx(line["rmse"] * 47.619, rel=1e-4)


def test_other_units_have_no_hectares(oof, labels):
    data = DataConfig(
        targets=(TargetConfig(name="GDM_g", unit="%"),), identities={}, group_columns=("State",)
    )
    found = evaluate(oof[oof["target"] == "GDM_g"], labels, data=data, evaluation=JUDGING)
    line = found.metrics["models"]["mil"]["targets"]["GDM_g"]
    assert "rmse_kg_ha" not in line
    assert line["unit"] == "%"


def test_coverage_is_the_share_of_labels_inside(oof, result):
    rows = oof[(oof["model"] == "mil") & (oof["target"] == "GDM_g")]
    inside = (rows["y_true"] - rows["y_pred"]).abs() <= 3
    line = result.metrics["models"]["mil"]["targets"]["GDM_g"]
    assert (line["coverage"], line["interval_width"]) == (pytest.approx(inside.mean()), 6)


def test_a_model_without_intervals_has_no_coverage(oof, labels, data):
    oof["y_lower"] = np.nan
    found = evaluate(oof, labels, data=data, evaluation=JUDGING).metrics["models"]["mil"]
    assert found["coverage"] is None
    assert found["targets"]["GDM_g"]["interval_width"] is None


def test_the_bootstrap_interval_holds_the_score_and_repeats(oof, labels, data, result):
    found = result.metrics["models"]["ridge"]
    low, high = found["weighted_r2_interval"]
    assert low < found["weighted_r2"] < high
    assert evaluate(oof, labels, data=data, evaluation=JUDGING).metrics == result.metrics


def test_one_group_has_no_bootstrap_interval(oof, labels, data):
    found = evaluate(oof.assign(group="all"), labels, data=data, evaluation=JUDGING)
    assert found.metrics["models"]["mil"]["weighted_r2_interval"] is None


def test_all_labels_alike_is_an_error_not_a_score(oof, labels, data):
    with pytest.raises(UndefinedScoreError, match="alike"):
        evaluate(oof.assign(y_true=1.0), labels, data=data, evaluation=JUDGING)


def test_the_metrics_are_json_and_say_what_was_done(result):
    metrics = json.loads(json.dumps(result.metrics, allow_nan=False))
    assert metrics == result.metrics
    assert metrics["schema_version"] == 2
    # Other people's tools read these.
    assert set(metrics) == {
        *("schema_version", "protocol", "n_images", "n_groups", "interval_level"),
        *("interval_levels", "bootstrap_level", "headline_model", "choices", "comparisons"),
        *("refused_levels", "paddocks", "out_of_domain", "models"),
    }
    assert metrics["protocol"]["name"] == "grouped"
    assert metrics["protocol"]["group_columns"] == ["State", "Sampling_Date"]
    assert (metrics["n_images"], metrics["n_groups"]) == (24, 6)
    assert (metrics["interval_level"], metrics["protocol"]["n_folds"]) == (0.9, 3)


def test_the_score_table_puts_the_floor_first_and_strangers_last(oof, labels, data):
    oof["model"] = oof["model"].replace({"ridge": "another"})
    table = score_table(evaluate(oof, labels, data=data, evaluation=JUDGING).metrics)
    assert list(table["model"]) == ["constant", "mil", "another"]
    assert list(table.columns) == ["model", "global R2", *data.target_names]


def test_without_a_floor_there_is_none_beside_the_scores(oof, labels, data):
    found = evaluate(oof[oof["model"] == "mil"], labels, data=data, evaluation=JUDGING)
    assert found.metrics["models"]["mil"]["floor_r2"] is None


def test_the_markdown_has_a_line_a_model_and_names_the_protocol(result):
    result.metrics["models"]["ridge"]["targets"]["GDM_g"]["r2"] = None
    lines = result.markdown().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| constant", "| ridge", "| mil"]
    assert " | - | " in lines[3]
    assert "24 images in 6 groups, grouped by State and Sampling_Date" in lines[-1]


def test_a_table_of_other_columns_is_refused_by_name(oof, labels, data):
    with pytest.raises(PooledPredictionsError, match=r"crps, y_lower_50 missing: other levels"):
        evaluate(oof.drop(columns=["crps", "y_lower_50"]), labels, data=data, evaluation=JUDGING)


def test_the_models_stand_in_one_order_whatever_order_they_came_in(oof, labels, data):
    more = [oof[oof["model"] == "mil"].assign(model=name) for name in ("auto", "stack", "xgb")]
    table = score_table(
        evaluate(pd.concat([*more, oof]), labels, data=data, evaluation=JUDGING).metrics
    )
    assert list(table["model"]) == ["constant", "ridge", "mil", "stack", "auto", "xgb"]


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        (["constant", "ridge", "mil", "auto"], "auto", "auto"),
        (["constant", "ridge", "mil", "stack"], "ridge", "ridge"),
        (["constant", "ridge", "mil"], "auto", "mil"),
        (["constant"], "auto", "constant"),
        (["xgb"], "mil", "xgb"),
    ],
)
def test_the_headline_is_of_the_model_that_predicts_or_the_nearest(names, wanted, found):
    assert headline_model(names, wanted=wanted) == found


def test_what_auto_took_and_why_is_kept_by_fold(oof, labels, data):
    choices = {0: {"model": "mil", "scores": {"mil": 0.9, "ridge": 0.8}}}
    metrics = evaluate(
        oof, labels, data=data, evaluation=JUDGING, selection=Selection("mil", choices)
    ).metrics
    assert metrics["headline_model"] == "mil"
    assert metrics["choices"] == {"0": choices[0]}


def test_without_a_selection_the_metrics_say_that_nothing_was_chosen(result):
    assert result.metrics["choices"] == {}


def test_levels_are_named_in_the_metrics(result):
    assert result.metrics["interval_levels"] == [0.5, 0.8, 0.9]


def test_the_bootstrap_follows_its_seed_and_number_of_draws(oof, labels, data, result):
    def interval(**changes):
        found = evaluate(oof, labels, data=data, **{"evaluation": JUDGING, **changes})
        return found.metrics["models"]["mil"]["weighted_r2_interval"]

    known = result.metrics["models"]["mil"]["weighted_r2_interval"]
    assert interval(bootstrap_seed=1) != known
    assert interval(evaluation=EvaluationConfig(n_resamples=400)) != known
