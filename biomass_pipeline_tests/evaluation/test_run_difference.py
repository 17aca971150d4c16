"""Two runs compared: what went in differs by name, what came out by a paired interval."""

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.errors import IncomparableRunsError
from biomass_pipeline.evaluation import ScoredRun, compare_runs
from biomass_pipeline.scoring import compare_models, weighted_r2

TARGETS = {"green_g": 0.25, "total_g": 0.75}
N_GROUPS, PER_GROUP = 8, 4


def run_of(noise, *, seed=0, ids=range(N_GROUPS * PER_GROUP), made_of=None):
    """A run whose predictions miss the truth by so much; the truth depends on the id alone."""
    chance = np.random.default_rng(seed)
    rows = [
        {
            "image_id": f"p{number:02d}",
            "fold": number % 2,
            "group": f"g{number // PER_GROUP}",
            "target": target,
            "y_true": float(number % 7 + place),
            "y_pred": float(number % 7 + place + noise * chance.normal()),
            "model": model,
        }
        for model in ("ridge", "auto")
        for number in ids
        for place, target in enumerate(TARGETS)
    ]
    oof = pd.DataFrame(rows)
    photos = oof["image_id"].unique()
    manifest = pd.DataFrame({"image_id": photos, "sha256": [f"bytes of {p}" for p in photos]})
    metrics = {
        "headline_model": "auto",
        "n_images": len(photos),
        "n_groups": oof["group"].nunique(),
        "protocol": {"weights": TARGETS, "group_columns": ["State"]},
        "models": {
            model: {
                "weighted_r2": 0.5,
                "weighted_r2_interval": [0.4, 0.6],
                "floor_r2": 0.1,
                "targets": {target: {"r2": 0.5} for target in TARGETS},
            }
            for model in ("ridge", "auto")
        },
    }
    if made_of is not None:
        metrics["made_of"] = made_of
    return ScoredRun(metrics, oof, manifest)


def compared(before, after, models=("auto", "auto")):
    return compare_runs(before, after, models=models, n_resamples=300)


def test_a_run_does_not_differ_from_itself():
    found = compared(run_of(1.0), run_of(1.0))
    assert not any(found["photos"].values())
    score = found["paired"]["global"]
    assert (score["difference"], score["lower"], score["upper"], score["p_value"]) == (0, 0, 0, 1)


def test_the_difference_is_after_minus_before_and_its_interval_leaves_zero_out():
    found = compared(run_of(2.0), run_of(0.1, seed=1))["paired"]
    score = found["global"]
    assert score["after"] > score["before"]
    assert score["difference"] == pytest.approx(score["after"] - score["before"])
    assert 0 < score["lower"] < score["difference"] < score["upper"]
    back = compared(run_of(0.1, seed=1), run_of(2.0))["paired"]["global"]
    assert back["difference"] == pytest.approx(-score["difference"])


def test_the_score_is_the_metric_and_the_interval_the_paired_bootstrap():
    before, after = run_of(2.0), run_of(1.0, seed=1)
    score = compared(before, after)["paired"]["global"]

    def wide(run, column):
        rows = run.oof[run.oof["model"] == "auto"]
        return rows.pivot_table(index="image_id", columns="target", values=column)[list(TARGETS)]

    true = wide(after, "y_true").to_numpy()
    predicted = [wide(run, "y_pred").to_numpy() for run in (after, before)]
    expected = weighted_r2(true, predicted[0], targets=list(TARGETS), weights=TARGETS)
    assert score["after"] == pytest.approx(expected)
    groups = [f"g{number // PER_GROUP}" for number in range(len(true))]
    paired = compare_models(
        true,
        tuple(predicted),
        groups,
        column_weights=list(TARGETS.values()),
        chance=np.random.default_rng(0),
        n_resamples=300,
    )
    assert (score["lower"], score["upper"]) == pytest.approx((paired.lower, paired.upper))


def test_photos_that_are_not_the_same_are_named_and_not_compared():
    before, after = run_of(1.0, ids=range(30)), run_of(1.0, ids=range(2, 32))
    after.manifest.loc[after.manifest["image_id"] == "p05", "sha256"] = "other bytes"
    after.oof.loc[after.oof["image_id"] == "p06", "y_true"] += 1.0
    after.oof.loc[after.oof["image_id"] == "p07", "fold"] = 9
    found = compared(before, after)
    assert found["photos"] == {
        "added": ["p30", "p31"],
        "removed": ["p00", "p01"],
        "changed_bytes": ["p05"],
        "relabelled": ["p06"],
        "other_fold": ["p07"],
    }
    assert found["paired"]["n_images"] == 26


def test_configurations_and_versions_differ_key_by_key():
    one = {
        "configuration": {"training": {"epochs": 5}},
        "versions": {"torch": "1"},
        "extraction": "a",
    }
    other = {
        "configuration": {"training": {"epochs": 7}},
        "versions": {"torch": "1"},
        "extraction": "b",
    }
    found = compared(run_of(1.0, made_of=one), run_of(1.0, made_of=other))
    assert found["configuration"] == [{"key": "training.epochs", "before": 5, "after": 7}]
    assert found["versions"] == []
    assert found["extraction"] == {"before": "a", "after": "b"}


def test_a_configuration_that_was_not_recorded_is_unknown_and_not_the_same():
    made_of = {"configuration": {}, "versions": {}, "extraction": "a"}
    found = compared(run_of(1.0), run_of(1.0, made_of=made_of))
    assert found["configuration"] is None
    assert found["extraction"] == {"before": None, "after": "a"}


def test_coarser_groups_are_drawn_and_told():
    before, after = run_of(1.0), run_of(1.0)
    after.oof["group"] = after.oof["group"].map(lambda name: f"half {int(name[1:]) // 4}")
    after.metrics["protocol"] = {**after.metrics["protocol"], "group_columns": ["Half"]}
    found = compared(before, after)["paired"]
    assert found["n_groups"] == 2
    assert found["remarks"] == ["the runs group photos differently: the coarser groups are drawn"]


def test_targets_of_one_run_only_are_left_out_and_told():
    before, after = run_of(1.0), run_of(1.0)
    after.metrics["protocol"] = {**after.metrics["protocol"], "weights": {**TARGETS, "new_g": 0.1}}
    found = compared(before, after)["paired"]
    assert list(found["targets"]) == list(TARGETS)
    assert found["remarks"] == ["targets of one run only are left out: new_g"]


def test_a_target_without_spread_has_no_score():
    before, after = run_of(1.0), run_of(1.0)
    for run in (before, after):
        run.oof.loc[run.oof["target"] == "green_g", "y_true"] = 3.0
    found = compared(before, after)["paired"]
    assert found["targets"]["green_g"] is None
    assert found["targets"]["total_g"] is not None


def test_a_model_may_be_held_against_another():
    found = compared(run_of(1.0), run_of(1.0), models=("ridge", "auto"))
    assert found["models"] == {"before": "ridge", "after": "auto"}
    assert found["paired"]["global"]["difference"] != 0


def test_runs_that_share_no_photo_or_target_are_refused():
    with pytest.raises(IncomparableRunsError, match="no photo has the same bytes and labels"):
        compared(run_of(1.0, ids=range(8)), run_of(1.0, ids=range(8, 16)))
    other = run_of(1.0)
    other.metrics["protocol"] = {**other.metrics["protocol"], "weights": {"else_g": 1.0}}
    with pytest.raises(IncomparableRunsError, match="they share no target"):
        compared(run_of(1.0), other)
