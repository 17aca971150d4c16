"""`biomass export model`, and predictions by a project's own models."""

import json

import pandas as pd
import pytest

import biomass_pipeline
from biomass_pipeline.inference.bundle import load_bundle

pytestmark = pytest.mark.slow


def predictions(biomass, *words):
    ended = biomass("predict", "photos", "-o", "out.csv", "--cache", "cache", *words)
    assert ended.code == 0, ended.flat
    return pd.read_csv("out.csv")


def test_what_is_exported_predicts_as_the_project_does(biomass, done):
    ended = biomass("export", "model", "-o", "bundle")
    assert ended.code == 0
    assert "bundle: 3 folds, model" in ended.flat
    pd.testing.assert_frame_equal(predictions(biomass, "--bundle", "bundle"), predictions(biomass))
    card = (done.folder / "bundle" / "MODEL_CARD.md").read_text()
    metrics = json.loads((done.folder / "artefacts" / "evaluation" / "metrics.json").read_text())
    score = metrics["models"][metrics["headline_model"]]["weighted_r2"]
    assert f"| {metrics['headline_model']} | {score:.3f} |" in card
    assert "12 weighed photos in 6 groups of date" in card


def test_a_bundle_in_the_way_is_only_replaced_by_force(biomass, done):
    asked = biomass("export", "model", "-o", "bundle", "--json")
    assert asked.json["scored"] is True
    assert load_bundle(done.folder / "bundle").fingerprint == asked.json["fingerprint"]
    ended = biomass("export", "model", "-o", "bundle")
    assert ended.code == 2
    assert "--force" in ended.flat
    assert biomass("export", "model", "-o", "bundle", "--force").code == 0
    ended = biomass("export", "model", "-o", "photos", "--force")
    assert ended.code == 2
    assert "no model bundle" in ended.flat


@pytest.mark.parametrize(
    ("change", "node"),
    [
        ({"tiling": {"stride_px": 8}}, "patch_index[0]"),
        ({"cache": {"dtype": "float32"}}, "feature_cache[0]"),
        ({"folds": {"n_folds": 4}}, "mil_checkpoint[3]: never materialized"),
    ],
    ids=["tiles", "numbers", "folds"],
)
def test_models_of_another_configuration_are_refused(biomass, done, change, node):
    """A model of other features would predict nonsense, at the same width without a complaint."""
    done.write(backbone={"name": "colour-texture"}, **change)
    ended = biomass("export", "model", "-o", "bundle")
    assert ended.code == 1
    assert "The models are not up to date" in ended.flat
    assert node in ended.flat
    assert "Run `biomass run` first" in ended.flat
    assert biomass("predict", "photos", "-o", "out.csv").code == 1


def test_before_the_first_run_there_is_no_model(biomass, farm):
    ended = biomass("export", "model", "-o", "bundle")
    assert ended.code == 1
    assert "mil_checkpoint[0]: never materialized" in ended.flat


def test_scores_of_an_earlier_evaluation_are_not_on_the_card(biomass, done):
    (done.folder / "artefacts" / "evaluation" / "metrics.json").unlink()
    asked = biomass("export", "model", "-o", "bundle")
    assert "These models were not scored" in asked.flat
    assert "No scores" in (done.folder / "bundle" / "MODEL_CARD.md").read_text()


def test_python_predicts_with_what_the_command_exported(biomass, done):
    biomass("export", "model", "-o", "bundle")
    frame = biomass_pipeline.predict("photos", bundle="bundle", cache="cache", device="cpu")
    table = predictions(biomass, "--bundle", "bundle")
    assert frame["y_pred"].tolist() == table["y_pred"].tolist()


def test_models_outlive_their_features_and_later_photos(biomass, done):
    for path in (done.folder / "artefacts" / "features").glob("*/fold_*.h5"):
        path.unlink()
    done.photo("later.png", 99)
    assert biomass("export", "model", "-o", "bundle").code == 0
