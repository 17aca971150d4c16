"""`biomass calibrate`, by a bundle and by a project."""

import json

import pandas as pd
import pytest
from PIL import Image

from biomass_pipeline.cli.running import run_stale
from biomass_pipeline.inference.bundle import save_bundle
from biomass_pipeline_tests.cli.conftest import BACKBONE
from biomass_pipeline_tests.inference.meadow import build_meadow

CUTS = "image_id,total_g\np01,9\np04,14\np09,30\np14,44\n"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """A meadow and its bundle on disk; not to be touched."""
    meadow = build_meadow(tmp_path_factory.mktemp("meadow"))
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    save_bundle(meadow.bundle, folder, card="A card.\n")
    return meadow, folder


@pytest.fixture
def calibrate(biomass, bundled, tmp_path):
    meadow, folder = bundled

    def run(text=CUTS, *words):
        (tmp_path / "cuts.csv").write_text(text)
        return biomass(
            *("calibrate", "--bundle", folder, "--images", meadow.photos, "--cuts", "cuts.csv"),
            *("-o", "site.json", "--cache", meadow.cache, "--device", "cpu", *words),
        )

    return run


def test_cuts_become_a_site_that_predict_takes(calibrate, biomass, bundled, tmp_path):
    ended = calibrate()
    assert ended.code == 0, ended.err
    assert "site.json: 4 cuts of 18 photos, on top of model" in ended.flat
    assert "weighted error goes from" in ended.flat
    assert "Cut next, the most telling first:" in ended.out
    meadow, folder = bundled
    words = ("predict", meadow.photos, "--bundle", folder, "--cache", meadow.cache)
    for name, more in (("before", ()), ("after", ("--site", "site.json"))):
        assert biomass(*words, "-o", f"{name}.csv", "--device", "cpu", *more).code == 0
    before, after = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("before", "after"))
    assert (before["y_pred"] != after["y_pred"]).mean() > 0.5
    wide = after.pivot_table(index="image_id", columns="target", values="y_pred")
    assert (wide["green_g"] + wide["dead_g"] - wide["total_g"]).abs().max() < 1e-9
    uncertain = (after["y_upper_80"] - after["y_lower_80"]).mean()
    assert uncertain < (before["y_upper_80"] - before["y_lower_80"]).mean()


def test_a_paddocks_mean_is_more_certain_on_a_known_site(calibrate, biomass, bundled, tmp_path):
    calibrate("image_id,total_g\n" + "".join(f"p{n:02d},{3 + n + n % 3}\n" for n in range(18)))
    meadow, folder = bundled
    words = ("predict", meadow.photos, "--bundle", folder, "--cache", meadow.cache)
    for name, more in (("before", ()), ("after", ("--site", "site.json"))):
        ended = biomass(*words, "-o", f"{name}.csv", "--by", "folder", "--device", "cpu", *more)
        assert ended.code == 0, ended.err
    before, after = (
        pd.read_csv(tmp_path / f"{name}.csv").set_index(["group", "target"])["standard_error"]
        for name in ("before", "after")
    )
    assert (after.xs("total_g", level=1) < before.xs("total_g", level=1)).all()


def test_the_report_is_json_for_a_program_and_kept_in_the_site(calibrate, tmp_path):
    ended = calibrate(CUTS, "--json", "--next", "2")
    assert ended.code == 0
    report = ended.json
    assert report["site"] == "site.json"
    assert report["cuts"] == 4
    assert len(report["next_cuts"]) == 2
    assert report["next_cuts"][0]["path"].endswith(".png")
    assert {"weighted_before", "weighted_after", "sentence"} <= set(report["leave_one_out"])
    kept = json.loads((tmp_path / "site.json").read_text())
    assert kept["report"] == {name: report[name] for name in report if name != "site"}


def test_what_was_not_used_is_listed_and_ends_in_three(calibrate):
    ended = calibrate(CUTS + "elsewhere,7\np16,\n")
    assert ended.code == 3
    assert "Cuts not used: 2." in ended.flat
    assert "elsewhere: no such photo among those predicted" in ended.flat
    assert "p16: no mass is given" in ended.flat


def test_an_unreadable_photo_is_listed_and_ends_in_three(biomass, bundled, tmp_path):
    _, folder = bundled
    for number in range(5):
        image = Image.new("RGB", (32, 16), (90, 20 + 40 * number, 0))
        image.save(tmp_path / f"q{number}.png")
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "cuts.csv").write_text("photo,total_g\nq0,5\nq2,9\nq4.png,20\ntorn.jpg,3\n")
    ended = biomass(
        *("calibrate", "--bundle", folder, "--images", tmp_path, "--cuts", "cuts.csv"),
        *("-o", "site.json", "--cache", tmp_path / "cache", "--device", "cpu", "--json"),
    )
    assert ended.code == 3, ended.err
    assert [row["path"] for row in ended.json["unreadable"]] == ["torn.jpg"]
    assert [row["photo"] for row in ended.json["left_out"]] == ["torn.jpg"]


MISTAKES = {
    "too few": ("image_id,total_g\np01,9\np04,14\n", 1, "Weigh at least 3"),
    "negative": (CUTS.replace("14", "-14"), 1, "line 3, column `total_g`: `-14` is negative"),
    "twice": (CUTS + "p01.png,8\n", 1, "are both the photo `b/p01.png`"),
    "decimal comma": (CUTS.replace(",", ";").replace("14", "1,4"), 1, "decimal comma"),
    "no masses": ("image_id,weight\np01,9\n", 2, "no column holds masses"),
    "broken identity": (
        "image_id,total_g,green_g\np01,9,20\np04,14,4\np09,30,4\n",
        1,
        "miss total_g = green_g + dead_g",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_message_and_no_site(calibrate, tmp_path, mistake):
    text, code, words = MISTAKES[mistake]
    ended = calibrate(text)
    assert ended.code == code
    assert words in ended.flat
    assert "Traceback" not in ended.flat
    assert not (tmp_path / "site.json").exists()


def test_a_missing_table_and_a_bundle_without_photos_are_bad_usage(biomass, bundled):
    _, folder = bundled
    words = ("calibrate", "--bundle", folder, "-o", "site.json", "--cuts", "nothere.csv")
    assert biomass(*words).code == 2
    ended = biomass(*words, "--images", folder.parent / "nothing")
    assert ended.code in (1, 2)
    assert "Traceback" not in ended.flat


def test_a_site_of_another_model_is_refused_by_predict(calibrate, biomass, bundled, tmp_path):
    calibrate()
    path = tmp_path / "site.json"
    path.write_text(path.read_text().replace('"model": "', '"model": "other', 1))
    meadow, folder = bundled
    ended = biomass(
        *("predict", meadow.photos, "--bundle", folder, "-o", "out.csv", "--site", "site.json"),
        *("--cache", meadow.cache, "--device", "cpu"),
    )
    assert ended.code == 1
    assert "was learnt on top of model other" in ended.flat


@pytest.mark.slow
def test_a_project_is_calibrated_by_its_own_models_and_features(done, biomass):
    for number in range(8):
        done.photo(f"new/u{number}.png", 30 + 25 * number, blue=100 + number)
    (done.folder / "photos" / "new" / "torn.png").write_bytes(b"\x89PNG")
    done.write(backbone=BACKBONE, data={"max_quarantined_fraction": 0.5})
    assert run_stale(done.folder / "biomass.yaml", (), select="+predictions") == 3
    folder = done.folder
    (folder / "cuts.csv").write_text(
        "image_path,mass_g\nu0,5\nu3,13\nnew/u6.png,21\ns0n0.png,2\ntorn.png,4\n"
    )
    ended = biomass("calibrate", "--cuts", "cuts.csv", "-o", "out/site.json", "--json")
    assert ended.code == 3, ended.err
    assert ended.json["photos"] == 8
    assert ended.json["cuts"] == 3
    reasons = {row["photo"]: row["reason"] for row in ended.json["left_out"]}
    assert reasons["s0n0.png"] == "it has a label, so the model was trained on it"
    assert "torn.png" in reasons
    assert {row["path"] for row in ended.json["next_cuts"]} == {
        f"new/u{number}.png" for number in (1, 2, 4, 5, 7)
    }
    assert (folder / "out" / "site.json").exists()


def test_a_project_without_models_says_what_to_run(farm, biomass):
    (farm.folder / "cuts.csv").write_text("image_path,mass_g\nu0,5\nu3,13\nu5,2\n")
    ended = biomass("calibrate", "--cuts", "cuts.csv", "-o", "site.json")
    assert ended.code in (1, 2)
    assert "biomass run" in ended.flat
    assert "Traceback" not in ended.flat
