"""Exit codes, and mistakes that end in one message and never in a traceback."""

import json
import time

import dagster as dg
import pytest

from biomass_pipeline import __version__


def test_the_version_is_printed(biomass):
    assert biomass("--version").out.strip() == __version__


@pytest.mark.parametrize(
    "words", [["runn"], ["run", "--bogus"], ["run", "--fold", "one"], ["init"]]
)
def test_what_cannot_be_parsed_is_bad_usage(biomass, words):
    ended = biomass(*words)
    assert ended.code == 2
    assert "Usage: biomass" in ended.err


@pytest.mark.parametrize("verb", [["run"], ["status"], ["report"], ["ui"], ["cache", "info"]])
def test_a_folder_without_configuration_names_the_ways_to_one(biomass, verb, tmp_path):
    ended = biomass(*verb)
    assert ended.code == 2
    assert "There is no configuration" in ended.err
    assert "biomass init" in ended.err
    assert "biomass demo" in ended.err
    assert list(tmp_path.iterdir()) == []


MISTAKES = {
    "no such configuration": (["-c", "nothere.yaml"], 2, "Give an existing one with `--config`"),
    "unknown section": (["--set", "trainin.epochs=3"], 2, "did you mean `training`?"),
    "unknown key": (["--set", "training.epoch=3"], 2, "did you mean `epochs`?"),
    "a value out of range": (["--set", "training.epochs=-1"], 2, "greater than or equal to 1"),
    "no assignment": (["--set", "training"], 2, "expected section.key=value"),
    "unknown backbone": (["--set", "backbone.name=colour-textur"], 2, "Did you mean colour-text"),
    "unknown selection": (["--select", "nothing"], 2, "`nothing` names nothing in the graph"),
    "unknown fold": (["--fold", "9"], 2, "`fold 9` names nothing in the graph"),
    "photos missing": (["--set", "data.images=nope"], 2, "no photo folder at nope"),
    "photos of an unknown kind": (["--set", "data.images=gs9://x"], 2, "Protocol not known: gs9"),
    "labels missing": (["--set", "data.labels=nope.csv"], 2, "no label file at"),
    "labels of an unknown kind": (
        ["--set", "data.labels=gs9://x/y.csv"],
        2,
        "gs9://x/y.csv cannot",
    ),
    "checkpoint missing": (
        ["--set", "backbone.name=dinov2_vits14", "--set", "backbone.checkpoint=nope.pth"],
        2,
        "no checkpoint of the backbone",
    ),
    "artefacts where none can be": (["--set", "root=biomass.yaml"], 2, "cannot be written under"),
    "more folds than groups": (["--set", "folds.n_folds=9"], 2, "as many groups as folds"),
    "no such column": (["--set", "data.group_columns=[nope]"], 2, "missing column(s) `nope`"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.usefixtures("farm")
def test_a_mistake_is_one_message_that_names_it(biomass, mistake):
    words, code, sentence = MISTAKES[mistake]
    ended = biomass("run", *words)
    assert ended.code == code
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.out + ended.err
    assert sentence in ended.flat


def test_yaml_that_is_broken_is_a_message_with_its_line(biomass, farm):
    (farm.folder / "biomass.yaml").write_text("data: [1\n b: }", encoding="utf-8")
    ended = biomass("run")
    assert ended.code == 2
    assert "is not YAML" in ended.err
    assert "line 2" in ended.err


def test_an_empty_photo_folder_is_told_as_labels_without_photos(biomass, farm):
    for path in (farm.folder / "photos").iterdir():
        path.unlink()
    ended = biomass("run")
    assert ended.code == 1
    assert "label without photo: 12" in ended.err


def test_a_broken_label_file_lists_its_cells(biomass, farm):
    farm.label("s0n0.png", "2024-05-01", -3)
    farm.write(backbone={"name": "colour-texture"})
    ended = biomass("run")
    assert ended.code == 1
    assert "line 2, column `mass_g`" in ended.err


@pytest.mark.usefixtures("farm")
def test_dinov2_without_weights_or_network_says_what_to_do_within_ten_seconds(biomass, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    tiles = ("--set", "tiling.tile_px=14", "--set", "tiling.stride_px=14")
    started_s = time.monotonic()
    ended = biomass("run", "--set", "backbone.name=dinov2_vitl14_reg", *tiles)
    assert time.monotonic() - started_s < 10
    assert ended.code == 2
    assert "vit_large_patch14_reg4_dinov2" in ended.err
    assert "https://huggingface.co/timm/" in ended.err
    assert "`backbone.checkpoint`" in ended.err


@pytest.mark.usefixtures("farm")
def test_a_program_reads_a_mistake_as_json(biomass):
    ended = biomass("status", "--json", "--set", "data.images=nope")
    assert ended.code == 2
    told = json.loads(ended.out)
    assert told["kind"] == "MissingInputError"
    assert "no photo folder" in told["error"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, dg.DagsterExecutionInterruptedError])
@pytest.mark.usefixtures("farm")
def test_an_interrupted_run_says_that_nothing_is_lost(biomass, monkeypatch, kind):
    def interrupted(*_, **__):
        raise kind

    monkeypatch.setattr("biomass_pipeline.orchestration.runs.Graph.run", interrupted)
    ended = biomass("run")
    assert ended.code == 130
    assert "Interrupted. What was finished is kept" in ended.err
