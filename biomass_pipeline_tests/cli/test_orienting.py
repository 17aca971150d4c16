"""`biomass` alone: every place one may be in, told without loading the graph."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from biomass_pipeline.cli.trace import keep_trace, last_trace, look_at


def told(biomass):
    return biomass("--json").json


def commands(found):
    return [row["command"] for row in found["next"]]


def test_nowhere_there_are_two_ways_to_begin(biomass, elsewhere):
    ended = biomass()
    assert ended.code == 0
    assert f"There is no project here: no biomass.yaml in {elsewhere}" in ended.flat
    assert "biomass init --images FOLDER --labels FILE" in ended.out
    assert "biomass demo" in ended.out
    assert told(biomass)["state"] == "no project"


@pytest.mark.usefixtures("farm")
def test_a_project_that_never_ran_is_to_be_checked_and_run(biomass):
    found = told(biomass)
    assert found["state"] == "never run"
    assert "12 files in photos" in found["told"]
    assert commands(found) == ["biomass doctor", "biomass run"]


def test_a_run_that_was_killed_goes_on(biomass, done):
    (done.folder / "artefacts" / "evaluation" / "metrics.json").unlink()
    found = told(biomass)
    assert found["state"] == "unfinished"
    assert commands(found)[0] == "biomass run"


@pytest.mark.usefixtures("done")
class TestOnAFinishedFarm:
    @pytest.fixture(autouse=True)
    def found_complete(self, done):
        # The copy has other times than the farm that ran.
        keep_trace(done.project(), n_quarantined=0)

    def test_what_is_current_shows_its_score_and_leads_on(self, biomass, done):
        found = told(biomass)
        assert found["state"] == "current"
        metrics = json.loads((done.folder / "artefacts/evaluation/metrics.json").read_text())
        assert found["score"]["r2"] == metrics["models"]["auto"]["weighted_r2"]
        assert found["report"].endswith("report.html")
        assert commands(found)[0].startswith("biomass predict")
        assert "Global R2" in biomass().out

    def test_a_changed_setting_is_named_with_both_values(self, biomass, done):
        done.write(backbone={"name": "colour-texture"}, training={"epochs": 7})
        found = told(biomass)
        assert found["state"] == "stale"
        assert "training.epochs is 7, was 2" in found["changes"]
        assert commands(found)[0] == "biomass run"

    def test_a_new_photo_and_a_changed_label_are_seen(self, biomass, done):
        done.photo("new.png", 99)
        done.label("s0n0.png", "2024-05-01", 77)
        done.write(backbone={"name": "colour-texture"})
        found = told(biomass)
        assert found["changes"] == ["photos: 1 file more", "labels: changed or touched"]

    def test_where_things_run_is_no_change(self, biomass, monkeypatch):
        monkeypatch.setenv("BIOMASS__COMPUTE__BATCH_SIZE", "7")
        assert told(biomass)["state"] == "current"
        monkeypatch.setenv("BIOMASS__TRAINING__EPOCHS", "7")
        assert told(biomass)["state"] == "stale"

    def test_scores_from_elsewhere_are_not_vouched_for(self, biomass, done):
        os.utime(done.folder / "artefacts/evaluation/metrics.json")
        found = told(biomass)
        assert found["state"] == "unknown"
        assert commands(found)[0] == "biomass status"

    def test_a_damaged_memory_is_no_memory(self, biomass, done):
        file = done.project().layout.last_run
        for text in ("", "[]", '{"moment": 1}'):
            file.write_text(text, encoding="utf-8")
            assert last_trace(done.project()) is None
        assert told(biomass)["state"] == "unknown"

    def test_the_graph_is_not_loaded(self):
        code = (
            "import sys; from biomass_pipeline.cli.orienting import orient; "
            "orient(as_json=True); print('dagster' in sys.modules or 'pandas' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "False"

    def test_it_is_whole_at_forty_columns(self, biomass, monkeypatch):
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "biomass predict PHOTOS -o out.csv" in biomass().out


def test_a_complete_run_leaves_what_it_looked_at(finished_farm, biomass, monkeypatch):
    monkeypatch.chdir(finished_farm.folder)
    assert told(biomass)["state"] == "current"


def test_a_look_sees_names_sizes_and_times_of_visible_files(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"1")
    (tmp_path / "in" / ".hidden").write_bytes(b"1")
    first = look_at("in", base=tmp_path)
    assert first.n_files == 1
    assert look_at("in/*.jpg", base=tmp_path) == first
    assert look_at("in/a.jpg", base=tmp_path) == first
    (tmp_path / "in" / "a.jpg").write_bytes(b"22")
    assert look_at("in", base=tmp_path) != first
    assert look_at("s3://bucket/photos", base=tmp_path) is None
    shutil.rmtree(tmp_path / "in")
    assert look_at("in", base=tmp_path).n_files == 0
