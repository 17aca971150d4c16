"""`doctor --bench` on a farm of tiny photos: table, figure, JSON, and its refusals."""

import json

import pytest
from PIL import Image

from biomass_pipeline.benchmark import Effort, Plan
from biomass_pipeline.cli import benchmarking


@pytest.mark.usefixtures("quick")
def test_table_figure_and_json(biomass, farm):
    ended = biomass("doctor", "--bench")
    assert ended.code == 0
    for words in ("colour-texture", "pipeline", "of the backbone", "cache write", "12 photos"):
        assert words in ended.flat
    folder = farm.folder / "artefacts" / "benchmark"
    assert ended.out.splitlines()[-2:] == [str(folder / "bench.png"), str(folder / "bench.json")]
    with Image.open(folder / "bench.png") as image:
        assert image.format == "PNG"
    record = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    assert next(iter(record)) == "ratios"
    assert record["folder"]["n_photos"] == 12
    assert record["folder"]["n_tiles"] == 24
    assert record["hours"]["colour-texture"] > 0


@pytest.mark.usefixtures("farm", "quick")
def test_json_is_all_that_a_program_reads(biomass):
    ended = biomass("doctor", "--bench", "--json", "--model", "rcf")
    assert ended.code == 0
    assert list(ended.json["ratios"]) == ["rcf"]
    assert [name.rsplit(".")[-1] for name in ended.json["files"]] == ["png", "json"]
    assert "rcf" in ended.err


@pytest.mark.usefixtures("quick")
def test_without_a_project_the_machine_is_measured_all_the_same(biomass, tmp_path):
    settings = ("--set", "tiling.tile_px=16", "--set", "tiling.stride_px=16")
    ended = biomass("doctor", "--bench", "--model", "colour-texture", "--json", *settings)
    assert ended.code == 0
    assert ended.json["folder"] is None
    assert ended.json["hours"] == {}
    assert (tmp_path / "data" / "demo" / "benchmark" / "bench.png").exists()


@pytest.mark.usefixtures("farm", "quick")
def test_other_photos_are_counted_from_where_one_stands(biomass, farm):
    (farm.folder / "mine").mkdir()
    Image.new("RGB", (16, 16)).save(farm.folder / "mine" / "one.png")
    ended = biomass("doctor", "--bench", "--photos", "mine", "--json")
    assert ended.json["folder"]["n_tiles"] == 1


@pytest.mark.usefixtures("farm")
@pytest.mark.parametrize("make", [False, True])
def test_no_photos_are_an_error_before_anything_is_measured(biomass, farm, make):
    if make:
        (farm.folder / "mine").mkdir()
    ended = biomass("doctor", "--bench", "--photos", "mine")
    assert ended.code == 2
    assert "mine" in ended.err
    assert "decode" not in ended.out


@pytest.mark.usefixtures("farm")
def test_an_unknown_model_is_named(biomass):
    ended = biomass("doctor", "--bench", "--model", "banana")
    assert ended.code == 2
    assert "banana" in ended.err


@pytest.mark.usefixtures("farm")
@pytest.mark.parametrize("words", [("--photos", "photos"), ("--model", "rcf")])
def test_its_options_do_not_stand_alone(biomass, words):
    ended = biomass("doctor", *words)
    assert ended.code == 2
    assert "--bench" in ended.flat


@pytest.mark.usefixtures("quick")
def test_a_root_that_refuses_is_one_sentence(biomass, farm):
    (farm.folder / "artefacts").write_text("in the way", encoding="utf-8")
    ended = biomass("doctor", "--bench")
    assert ended.code == 2
    assert "Set `root` in the configuration" in ended.err


@pytest.fixture
def quick(monkeypatch):
    """One short turn of everything, on small photos."""

    def small(**fields):
        return Plan(**fields, photo_px=(32, 48), turn_s=0.01, effort=Effort(1, 0.0))

    monkeypatch.setattr(benchmarking, "Plan", small)
