"""The same law through the command line: an exit code and a sentence, and never a traceback."""

import os

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.cli import main
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.fuzz import folders
from biomass_pipeline_tests.fuzz.damage import damaged
from biomass_pipeline_tests.fuzz.photos import encodings

pytestmark = pytest.mark.slow

DONE, FAILED, MISUSED, QUARANTINED = range(4)


@pytest.fixture
def farm(tmp_path, monkeypatch):
    """A farm in a folder of its own; the current folder is its own as well."""
    folder = tmp_path / "farm"
    folder.mkdir()
    farm = build_farm(folder)
    farm.write(backbone={"name": "colour-texture"})
    monkeypatch.chdir(folder)
    monkeypatch.delenv("BIOMASS_CONFIG", raising=False)
    return farm


@pytest.fixture
def biomass(monkeypatch, capfd):
    """Run a verb; its exit code and what it printed come back, and no other error escapes."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["biomass", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = "".join(capfd.readouterr())
        assert "Traceback" not in printed
        return int(ended.value.code or 0), " ".join(printed.split())

    return run


def outside(farm):
    """Everything beside the farm and its artefacts, with sizes and times."""
    return {
        path: (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in [*farm.folder.parent.iterdir(), *farm.folder.rglob("*")]
        if "artefacts" not in path.parts and path != farm.folder
    }


def test_a_folder_of_everything_is_trained_without_what_is_quarantined(farm, biomass):
    photos = farm.folder / "photos"
    for make in (folders.names, folders.kinds, folders.links, folders.loops):
        (photos / make.__name__).mkdir()
        make(photos / make.__name__)
    for number, data in enumerate(encodings().values()):
        _, broken = damaged(data, data, np.random.default_rng(number))
        file = f"bad{number}.jpg"
        (photos / file).write_bytes(broken[: len(broken) // 2])
        farm.label(file, "2024-05-01", 5.0 + number)
    farm.write(backbone={"name": "colour-texture"}, data={"max_quarantined_fraction": 1.0})
    before = outside(farm)
    code, printed = biomass("run")
    assert code == QUARANTINED, printed
    assert outside(farm) == before
    tables = farm.folder / "artefacts"
    manifest = pd.read_parquet(tables / "image_manifest.parquet")
    bad = set(manifest["image_id"][manifest["status"] == "quarantined"])
    learnt = set(pd.read_parquet(tables / "label_table.parquet")["image_id"])
    predicted = set(pd.read_parquet(tables / "predictions/oof_predictions.parquet")["image_id"])
    assert len(bad) > 40
    assert learnt == predicted
    assert not learnt & bad
    assert len(learnt) >= 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff\xfe\x00", FAILED),
        (b"", MISUSED),
        (b"image_path,date,mass_g\ns0n0.png,2024-05-01,nan\n", FAILED),
        (b'image_path,date,mass_g\n"' + b"a\n" * 200_000, FAILED),
        (b"PAR1PAR1", FAILED),
    ],
)
def test_a_table_that_is_none_ends_the_run_by_name(farm, biomass, text, expected):
    (farm.folder / "labels.csv").write_bytes(text)
    code, printed = biomass("run", "--select", "image_manifest")
    assert code == expected, printed
    assert "labels.csv" in printed


def test_a_pipe_in_place_of_the_labels_is_not_waited_for(farm, biomass):
    labels = farm.folder / "labels.csv"
    labels.unlink()
    os.mkfifo(labels)
    code, printed = biomass("run", "--select", "image_manifest")
    assert code in {FAILED, MISUSED}
    assert "a pipe or a device" in printed


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"a: 2024-13-45", b"[" * 5_000, b"name: ../x", b"data: 3", b"a: " + b"1" * 5_000],
)
@pytest.mark.parametrize("verb", ["run", "status"])
def test_a_configuration_that_is_none_is_bad_usage(farm, biomass, verb, text):
    (farm.folder / "biomass.yaml").write_bytes(text)
    code, printed = biomass(verb)
    assert code == MISUSED, printed
    assert "biomass.yaml" in printed
