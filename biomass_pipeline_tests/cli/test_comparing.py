"""`diff`: two runs told to people and to programs, or refused with the reason."""

import json
import shutil

import pytest


@pytest.fixture
def two(done, tmp_path):
    """A finished run, and a copy whose labels and settings are said to be others."""
    other = tmp_path / "other"
    shutil.copytree(done.folder / "artefacts", other)
    metrics = other / "evaluation" / "metrics.json"
    found = json.loads(metrics.read_text(encoding="utf-8"))
    found["made_of"]["configuration"]["training"]["epochs"] = 99
    metrics.write_text(json.dumps(found), encoding="utf-8")
    return done.folder, other


def test_what_differs_is_shown_beside_the_scores(biomass, two):
    ended = biomass("diff", *two)
    assert ended.code == 0
    assert "training.epochs  2       99" in ended.out
    assert "Photos, labels and folds are the same." in ended.out
    assert "R2 on the 12 photos of 6 groups that are the same" in ended.out
    assert "They predict these photos alike." in ended.out


def test_a_program_reads_everything(biomass, two):
    found = biomass("diff", *two, "--json", "--model", "ridge").json
    assert found["configuration"] == [{"key": "training.epochs", "before": 2, "after": 99}]
    assert found["models"] == {"before": "ridge", "after": "ridge"}
    assert found["paired"]["global"]["difference"] == 0
    assert found["scores"]["before"]["n_images"] == 12


def test_a_configuration_names_its_run(biomass, two):
    folder, other = two
    found = biomass("diff", folder / "biomass.yaml", other, "--json").json
    assert found["before"] == str(folder / "artefacts")


def test_a_record_that_is_missing_is_told(biomass, two):
    _, other = two
    metrics = other / "evaluation" / "metrics.json"
    found = json.loads(metrics.read_text(encoding="utf-8"))
    del found["made_of"]
    metrics.write_text(json.dumps(found), encoding="utf-8")
    assert "was not recorded" in biomass("diff", *two).out


def test_a_folder_that_is_no_run_and_a_model_that_is_none_are_named(biomass, two, tmp_path):
    ended = biomass("diff", two[0], tmp_path / "nothing")
    assert ended.code == 2
    assert "there is no evaluation/metrics.json" in ended.flat
    ended = biomass("diff", *two, "--model", "rigde")
    assert ended.code == 2
    assert "Did you mean `ridge`?" in ended.flat
