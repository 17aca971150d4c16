import json

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.evaluation.comparison import compare_protocols
from biomass_pipeline.evaluation.protocols import hold_out, protocols_of
from biomass_pipeline.evaluation.trial import Trial
from biomass_pipeline_tests.evaluation.season import (
    ALL_PROTOCOLS,
    DATA,
    season,
    season_config,
)

CONFIG = season_config(evaluation=EvaluationConfig(n_resamples=300, protocols=ALL_PROTOCOLS))
LABELS = season().labels
NOISE = {"ridge": 3.0, "mil": 2.0, "auto": 2.0}


class NoisyPredictor:
    """Models that err by a known sd: less where photos of the group were learnt from."""

    def __init__(self, seed):
        self.chance = np.random.default_rng(seed)

    def frames(self, split):
        known = LABELS.set_index("image_id")
        truth = known.loc[list(split.test_ids), "mass_g"].to_numpy()
        seen = known.loc[list(split.train_ids), "group"].unique()
        close = known.loc[list(split.test_ids), "group"].isin(seen).to_numpy()
        frame = pd.DataFrame({"image_id": split.test_ids, "target": "mass_g"})
        mean = known.loc[list(split.train_ids), "mass_g"].mean()
        found = {"constant": np.full(len(truth), mean)}
        for model, sd in NOISE.items():
            found[model] = truth + self.chance.normal(0, sd, len(truth)) * np.where(close, 0.2, 1)
        return {m: frame.assign(y_pred=y, y_lower=y - 1, y_upper=y + 1) for m, y in found.items()}


@pytest.fixture(scope="module")
def tables():
    return {
        protocol.key: hold_out(
            protocol, LABELS, predictor=NoisyPredictor(n), targets=DATA.target_names
        )
        for n, protocol in enumerate(protocols_of(CONFIG))
    }


@pytest.fixture(scope="module")
def comparison(tables):
    return compare_protocols(tables, LABELS, config=CONFIG)


def test_the_comparison_is_json_and_repeats(tables, comparison):
    assert json.loads(json.dumps(comparison, allow_nan=False)) == comparison
    assert compare_protocols(tables, LABELS, config=CONFIG) == comparison
    assert list(comparison["protocols"]) == [
        "group-k-fold-4",
        "leave-out-State",
        "forward-3",
        "random-4",
    ]


def test_repeats_are_averaged_and_their_spread_is_told(tables, comparison):
    found = comparison["protocols"]["group-k-fold-4"]
    scores = [
        Trial.of(tables[f"group-k-fold-4-seed-{seed}"], data=DATA).scores()["mil"]
        for seed in (0, 1)
    ]
    told = found["models"]["mil"]["weighted_r2"]
    assert told["values"] == pytest.approx(scores)
    assert told["mean"] == pytest.approx(np.mean(scores))
    assert told["sd"] == pytest.approx(np.std(scores, ddof=1))
    assert told["interval"][0] < told["mean"] < told["interval"][1]
    assert (found["n_repeats"], found["n_images"], found["n_groups"]) == (2, 100, 20)
    assert comparison["protocols"]["forward-3"]["models"]["mil"]["weighted_r2"]["sd"] is None


def test_only_random_folds_are_labelled_optimistic(comparison):
    labels = {name: found["label"] for name, found in comparison["protocols"].items()}
    assert labels.pop("random-4").startswith("optimistic: photos of one group")
    assert set(labels.values()) == {None}


def test_the_gap_is_what_random_folds_promise_too_much(comparison):
    means = {
        name: comparison["protocols"][name]["models"]["ridge"]["weighted_r2"]["mean"]
        for name in ("random-4", "group-k-fold-4")
    }
    gap = comparison["random_minus_grouped"]["ridge"]
    assert gap == pytest.approx(means["random-4"] - means["group-k-fold-4"])
    assert gap > 0.1


def test_better_has_an_interval_a_p_value_and_an_effect_size(comparison):
    pairs = {
        (line["model"], line["against"]): line
        for line in comparison["protocols"]["group-k-fold-4"]["comparisons"]
    }
    assert {("mil", "ridge"), ("auto", "ridge"), ("mil", "constant")} <= set(pairs)
    better = pairs["mil", "ridge"]
    assert 0 < better["lower"] < better["difference"] < better["upper"]
    assert better["p_value"] < 0.05
    assert better["effect_size"] > 0
    assert better["n_groups"] == 20


def test_models_that_predict_alike_are_not_better(tables):
    table = tables["forward-3"]
    ridge = table[table["model"] == "ridge"]
    others = [ridge, ridge.assign(model="mil"), table[table["model"] == "constant"]]
    found = compare_protocols({"forward-3": pd.concat(others)}, LABELS, config=CONFIG)
    pairs = found["protocols"]["forward-3"]["comparisons"]
    assert pairs[0]["difference"] == 0
    assert pairs[0]["p_value"] == 1


def test_the_curve_goes_from_the_smallest_share_to_whole_training_sets(comparison):
    points = [point for point in comparison["learning_curve"] if point["model"] == "constant"]
    assert [point["share"] for point in points] == [0.5, 1.0]
    assert points[0]["n_train_groups"] < points[1]["n_train_groups"]
    grouped = comparison["protocols"]["group-k-fold-4"]["models"]["constant"]["weighted_r2"]
    assert points[1]["mean"] == pytest.approx(grouped["mean"])


def test_what_did_not_run_is_told_and_what_was_not_asked_for_is_passed_over(tables):
    part = {
        "group-k-fold-4-seed-1": tables["group-k-fold-4-seed-1"],
        "another": tables["forward-3"],
    }
    found = compare_protocols(part, LABELS, config=CONFIG)
    assert found["protocols"]["group-k-fold-4"]["missing"] == ["group-k-fold-4-seed-0"]
    assert found["protocols"]["group-k-fold-4"]["n_repeats"] == 1
    assert found["protocols"]["forward-3"]["models"] == {}
    assert found["random_minus_grouped"] == {}
    assert found["learning_curve"] == []


def test_a_protocol_without_splits_says_why(tables):
    labels = LABELS.assign(State="NSW")
    empty = tables["forward-3"].iloc[:0]
    found = compare_protocols({"leave-out-State": empty}, labels, config=CONFIG)
    told = found["protocols"]["leave-out-State"]
    assert told["remarks"] == ["`State` has 1 value(s): leaving one out leaves none."]
    assert (told["models"], told["comparisons"], told["missing"]) == ({}, [], [])


def test_the_first_block_is_said_not_to_be_predicted(comparison):
    told = comparison["protocols"]["forward-3"]
    assert "are learnt from and never predicted" in told["remarks"][0]
    assert told["n_images"] < len(LABELS)


def test_labels_without_spread_have_no_score(tables):
    flat = {"random-4-seed-0": tables["random-4-seed-0"].assign(y_true=1.0)}
    found = compare_protocols(flat, LABELS, config=CONFIG)["protocols"]["random-4"]
    assert found["models"]["mil"]["weighted_r2"]["mean"] is None
    assert found["models"]["mil"]["targets"]["mass_g"]["rmse"] > 0
    assert found["comparisons"] == []


def test_one_group_says_nothing_about_others(tables):
    alone = {"random-4-seed-0": tables["random-4-seed-0"].assign(group="only")}
    found = compare_protocols(alone, LABELS, config=CONFIG)["protocols"]["random-4"]
    assert found["models"]["mil"]["weighted_r2"]["mean"] > 0
    assert found["models"]["mil"]["weighted_r2"]["interval"] is None
    assert found["comparisons"] == []
