"""`run`, `report` and `demo`: what is stale and nothing else, with scores and exit codes."""

import pytest

from biomass_pipeline.cli import running
from biomass_pipeline.errors import AssetFailedError, FailedCheckError
from biomass_pipeline.orchestration import Graph
from biomass_pipeline.store import FeatureFolder
from biomass_pipeline.synthetic import SyntheticSpec

pytestmark = pytest.mark.slow


def test_everything_runs_once_and_says_what_and_why(biomass, farm):
    ended = biomass("run")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert "prepare: image_manifest, label_table, fold_assignment (never materialized)" in lines
    assert "extract fold 1: patch_index, feature_cache (never materialized)" in lines
    assert any(line.startswith("  fold 1: 4 of 4 photos") for line in lines)
    assert "24 materializations, 12 photos embedded" in ended.out
    heading = next(line for line in lines if line.startswith("score"))
    assert heading.split() == ["score", "constant", "ridge", "mil", "stack", "auto"]
    assert f"Report: {farm.folder / 'artefacts/report/report.html'}" in lines
    assert "\x1b[" not in ended.out


@pytest.mark.usefixtures("done")
class TestOnAFinishedFarm:
    def test_a_second_run_does_nothing(self, biomass):
        told = biomass("run", "--json")
        assert told.code == 0
        assert told.json["materialized"] == []
        assert told.json["photos_embedded"] == 0
        assert set(told.json["metrics"]["models"]) == {"constant", "ridge", "mil", "stack", "auto"}
        assert "Everything is up to date: nothing ran, 0 photos embedded" in biomass("run").out

    def test_the_report_is_up_to_date_and_named(self, biomass, done):
        ended = biomass("report")
        assert ended.code == 0
        assert str(done.folder / "artefacts/report/report.html") in ended.out

    def test_for_a_paper_each_figure_is_written_as_vectors(self, biomass, done):
        folder = done.folder / "artefacts" / "report" / "figures"
        pictures = {file.stem for file in folder.glob("*.png")}
        ended = biomass("report", "--figures")
        assert ended.code == 0
        assert pictures
        for suffix, start in ((".svg", b"<?xml"), (".pdf", b"%PDF-")):
            files = {file.stem: file.read_bytes() for file in folder.glob(f"*{suffix}")}
            assert files.keys() == pictures
            assert all(content.startswith(start) for content in files.values())
        assert f"Figures: {2 * len(pictures)} in {folder}" in ended.flat

    def test_a_report_that_could_not_be_made_gets_no_figures(self, biomass, done):
        for photo in (done.folder / "photos").glob("*.png"):
            photo.write_bytes(b"")
        ended = biomass("report", "--figures")
        assert ended.code == 1
        assert not list((done.folder / "artefacts" / "report" / "figures").glob("*.pdf"))

    def test_a_field_can_be_overridden_for_one_run(self, biomass):
        words = ("--set", "training.ridge.clip=3.0", "--select", "ridge_baseline")
        ended = biomass("run", "--json", "--fold", "1", *words)
        assert ended.code == 0
        assert ended.json["materialized"] == ["ridge_baseline[1]"]
        assert ended.json["photos_embedded"] == 0

    def test_one_fold_of_other_settings_is_not_pooled_with_the_rest(self, biomass):
        words = ("--set", "training.ridge.clip=3.0", "--select", "ridge_baseline+")
        ended = biomass("run", "--fold", "1", *words)
        assert ended.code == 1
        assert "Fold(s) to rerun: 0, 2" in " ".join(ended.err.split())

    def test_what_is_said_meanwhile_does_not_disturb_a_program(self, biomass, done):
        (done.folder / "artefacts" / "report" / "report.html").unlink()
        ended = biomass("run", "--json")
        assert ended.json["materialized"] == ["report"]
        assert "evaluate: report (its file is gone or damaged)" in ended.err

    def test_a_quarantined_photo_is_named_with_its_reason_and_exit_code_3(self, biomass, done):
        (done.folder / "photos" / "s0n0.png").write_bytes(b"")
        ended = biomass("run")
        assert ended.code == 3
        assert "Quarantined, so never trained on: 1." in ended.out
        assert "  s0n0.png: empty file" in ended.out.splitlines()
        again = biomass("run", "--json")
        assert again.code == 3
        assert again.json["quarantine"] == [{"path": "s0n0.png", "reason": "empty file"}]


def test_a_score_that_has_no_value_is_a_dash(capsys):
    lines = {"weighted_r2": None, "targets": {"a": {"r2": float("nan")}}}
    running.print_scores(running.open_console(), {"models": {"ridge": lines}})
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [["global", "R2", "-"], ["a", "-"]]


def test_random_weights_are_named_in_the_output(biomass, farm):
    network = "timm:vit_small_patch14_reg4_dinov2"
    farm.write(
        backbone={"name": network, "random_weights": True},
        tiling={"tile_px": 14, "stride_px": 14},
        training={"epochs": 1, "n_seeds": 1},
    )
    ended = biomass("run", "--select", "+feature_cache")
    assert ended.code == 0, ended.err
    assert "RANDOM WEIGHTS" in ended.out


def test_a_bug_is_a_short_message_and_its_traceback_is_in_dagsters_log(biomass, done, monkeypatch):
    def broken(*_, **__):
        message = "list index out of range"
        raise IndexError(message)

    monkeypatch.setattr("biomass_pipeline.tiling.index.tile_grid", broken)
    (done.folder / "artefacts" / "patch_index" / "fold_1.parquet").unlink()
    ended = biomass("run", "--select", "patch_index")
    assert ended.code == 1
    assert "`patch_index` of fold 1 failed: IndexError: list index out of range" in ended.flat
    assert "which `biomass ui` shows" in ended.flat
    assert "Traceback" not in ended.out + ended.err


@pytest.mark.parametrize("error", [AssetFailedError, FailedCheckError])
def test_what_stops_a_run_is_a_failure_not_bad_usage(error):
    assert error.exit_code == 1


class TestDemo:
    @pytest.fixture
    def small(self, monkeypatch):
        spec = SyntheticSpec(n_photos=12, height_px=48, width_px=60, n_sessions=6)
        monkeypatch.setattr(running, "DEMO_SPEC", spec)
        return ("--set", "tiling.tile_px=32", "--set", "tiling.stride_px=28")

    @pytest.fixture
    def quick(self):
        fields = {
            "backbone.name": "colour-texture",
            "folds.n_folds": 2,
            "training.epochs": 1,
            "training.n_seeds": 1,
        }
        return [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]

    def test_photos_are_written_once_and_everything_runs_on_them(
        self, biomass, small, quick, tmp_path
    ):
        ended = biomass("demo", *small, *quick)
        assert ended.code == 0, ended.err
        assert "Dry_Total_g" in ended.out
        photo = min((tmp_path / "data/demo/photos").iterdir())
        before = photo.stat().st_mtime_ns
        again = biomass("demo", "--json", *small, *quick)
        assert again.json["materialized"] == []
        assert photo.stat().st_mtime_ns == before

    def test_the_other_verbs_find_its_configuration(self, biomass, small, tmp_path, monkeypatch):
        ran = []
        monkeypatch.setattr(running, "run_stale", lambda file, *_, **__: ran.append(file) or 0)
        assert biomass("demo").code == 0
        assert ran == [running.DEMO_FOLDER / "biomass.yaml"]
        states = {row["state"] for row in biomass("status", "--json", *small).json}
        assert states == {"missing"}
        assert (tmp_path / "data" / "demo" / "train.csv").exists()


def test_the_old_extractions_go_only_when_all_is_up_to_date(biomass, done, monkeypatch):
    folders = done.folder / "artefacts" / "features"
    (earlier,) = folders.iterdir()
    half = ("--set", "cache.dtype=float32", "--select", "+feature_cache")
    assert biomass("run", *half).code == 0
    assert earlier.exists()
    pruned = []
    monkeypatch.setattr(Graph, "verdicts", lambda *_: [])
    monkeypatch.setattr(FeatureFolder, "prune", lambda _, extraction: pruned.append(extraction))
    assert biomass("run").code == 0
    assert pruned == [earlier.name]
