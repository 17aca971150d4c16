"""`validate` and `tune`: what is off the way, on request, beside what it is worth."""

import json

import pytest
import yaml

from biomass_pipeline.cli.terminal import open_console
from biomass_pipeline.cli.validating import print_protocols, print_tuning
from biomass_pipeline_tests.farm import every

PROTOCOLS = {"protocol_predictions[group-k-fold-3-seed-0]", "protocol_predictions[random-3-seed-0]"}
VALIDATED = {*PROTOCOLS, "protocols", "report"}
TUNED = {*every("tuning_study"), "tuning", "report"}


@pytest.mark.slow
@pytest.mark.usefixtures("done")
class TestOnAFinishedFarm:
    def test_validate_runs_protocols_and_report_and_prints_them(self, biomass, done):
        ended = biomass("validate", "--json")
        assert ended.code == 0, ended.err
        assert set(ended.json["materialized"]) == VALIDATED
        assert "validate group-k-fold-3-seed-0: protocol_predictions (never mat" in ended.err
        again = biomass("validate")
        assert again.code == 0
        lines = [line.split() for line in again.out.splitlines()]
        assert ["held", "out", "constant", "ridge", "mil", "stack", "auto"] in lines
        assert again.out.count("(optimistic)") == 1
        assert "Everything is up to date: nothing ran" in again.out
        text = (done.folder / "artefacts/evaluation/protocols.json").read_text(encoding="utf-8")
        assert set(json.loads(text)["protocols"]) == {"group-k-fold-3", "random-3"}
        assert biomass("run", "--json").json["materialized"] == []

    def test_tune_searches_recommends_and_says_what_that_is_worth(self, biomass, done):
        ended = biomass("tune", "--trials", "2", "--json")
        assert ended.code == 0, ended.err
        assert set(ended.json["materialized"]) == TUNED
        again = biomass("tune", "--trials", "2")
        assert "Best of 2 trials on all photos" in again.out
        assert "On unseen groups, each fold by settings searched without it: R2" in again.flat
        best = done.folder / "artefacts/tuning/best.yaml"
        assert str(best) in again.flat
        assert "Everything is up to date: nothing ran" in again.out
        # What is recommended can be used as it is.
        settings = yaml.safe_load(best.read_text(encoding="utf-8"))["training"]
        words = [w for k, v in settings.items() for w in ("--set", f"training.{k}={json.dumps(v)}")]
        assert biomass("status", "--json", *words).code == 0
        # Whoever learns in another way is told that the search is of the earlier settings.
        rows = biomass("status", "--json", "--set", "training.epochs=4").json
        found = {(row["asset"], row["optional"]) for row in rows if row["state"] == "stale"}
        assert {("tuning_study", True), ("mil_checkpoint", False)} <= found
        assert not any(row["asset"] == "protocols" for row in rows), "never made: nothing to tell"
        told = biomass("status", "--set", "training.epochs=4").flat
        assert "what runs only when it is asked for" in told
        assert "tuning_study [0-2] stale" in told


@pytest.mark.parametrize("words", [["--trials", "0"], ["--timeout", "0"], ["--trials", "many"]])
@pytest.mark.usefixtures("farm")
def test_a_search_without_trials_or_time_is_bad_usage(biomass, words):
    assert biomass("tune", *words).code == 2


def tuned(difference):
    nested = {"r2": 0.8 + difference, "untuned_r2": 0.8, "difference": difference}
    return {
        "trials": [{}, {}, {}],
        "best": {"learning_rate": 0.0123456, "loss": "huber"},
        "importance": {"learning_rate": 0.75},
        "nested": nested,
    }


@pytest.mark.parametrize(("difference", "flat"), [(-0.1, True), (0.004, True), (0.05, False)])
def test_a_search_that_gained_nothing_says_so(capsys, tmp_path, difference, flat):
    print_tuning(open_console(), tuned(difference), recommended=tmp_path / "best.yaml")
    told = " ".join(capsys.readouterr().out.split())
    assert ("keep the configured settings" in told) == flat
    assert "learning_rate 0.01235 75%" in told
    assert "loss huber -" in told


def test_a_protocol_without_a_score_is_a_dash_and_its_remark_is_printed(capsys):
    comparison = {
        "protocols": {
            "forward-4": {
                "kind": "forward",
                "optimistic": False,
                "n_repeats": 2,
                "remarks": ["3 photos have no date"],
                "n_images": 3,
                "models": {"ridge": {"weighted_r2": {"mean": None, "sd": None}}},
            }
        },
        "random_minus_grouped": {},
    }
    print_protocols(open_console(), comparison)
    lines = capsys.readouterr().out.splitlines()
    assert ["later", "dates", "x", "2", "-"] in [line.split() for line in lines]
    assert "forward-4: 3 photos have no date" in lines
