"""`biomass predict`: any photos into a table; what could not be read is said, with code 3."""

import pandas as pd
import pytest

from biomass_pipeline.inference.bundle import save_bundle
from biomass_pipeline_tests.inference.meadow import build_meadow, photo


@pytest.fixture(scope="module")
def meadow(tmp_path_factory):
    return build_meadow(tmp_path_factory.mktemp("meadow"))


@pytest.fixture(scope="module")
def bundle(meadow, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    save_bundle(meadow.bundle, folder, card="A card.\n")
    return folder


@pytest.fixture
def predict(biomass, meadow, bundle):
    """Run `biomass predict` with the meadow's bundle and cache."""

    def run(images, *words, output="out.csv"):
        options = ("--bundle", bundle, "--cache", meadow.cache, "--device", "cpu", "-o", output)
        return biomass("predict", images, *options, *words)

    return run


def test_a_folder_becomes_a_csv(predict, meadow):
    ended = predict(meadow.photos)
    assert ended.code == 0
    assert (
        "out.csv: 18 photos predicted, 72 rows; 0 photos embedded, 18 from the cache" in ended.flat
    )
    table = pd.read_csv("out.csv")
    assert list(table.columns[:5]) == ["image_id", "target", "y_pred", "y_lower", "y_upper"]
    y = table.pivot_table(index="image_id", columns="target", values="y_pred")
    assert (y["total_g"] - y["green_g"] - y["dead_g"]).abs().max() < 1e-9


def test_a_parquet_file_holds_the_same(predict, meadow):
    predict(meadow.photos)
    predict(meadow.photos, output="out.parquet")
    csv, parquet = pd.read_csv("out.csv"), pd.read_parquet("out.parquet")
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)


def test_the_second_call_embeds_nothing(biomass, bundle, meadow, tmp_path):
    words = ("--bundle", bundle, "--cache", tmp_path / "new", "-o", "out.csv", "--json")
    first = biomass("predict", meadow.photos, *words).json
    second = biomass("predict", meadow.photos, *words).json
    assert (first["photos_embedded"], first["photos_reused"]) == (18, 0)
    assert (second["photos_embedded"], second["photos_reused"]) == (0, 18)


def test_a_single_photo_and_a_glob_do_as_well(predict, meadow):
    assert predict(meadow.photos / "a" / "p02.png", "--json").json["photos"] == 1
    assert predict(f"{meadow.photos}/*/p0*.png", "--json").json["photos"] == 10


def test_unreadable_photos_are_listed_and_the_code_is_3(predict, tmp_path):
    photo(tmp_path / "photos" / "good.png", green=60)
    (tmp_path / "photos" / "bad.jpg").write_text("no photo")
    ended = predict("photos")
    assert ended.code == 3
    assert "Could not be read, so not predicted: 1. bad.jpg: not an image" in ended.flat
    assert set(pd.read_csv("out.csv")["image_id"]) == {"good"}
    asked = predict("photos", "--json")
    assert asked.code == 3
    assert asked.json["unreadable"] == [{"path": "bad.jpg", "reason": "not an image"}]


def test_of_many_unreadable_photos_some_are_shown_and_the_rest_counted(predict, tmp_path):
    photo(tmp_path / "photos" / "good.png", green=60)
    for number in range(12):
        (tmp_path / "photos" / f"bad{number:02d}.jpg").touch()
    ended = predict("photos")
    assert "bad09.jpg" in ended.flat
    assert "bad10.jpg" not in ended.flat
    assert "and 2 more" in ended.flat


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.csv.gz"])
def test_another_ending_is_refused_before_any_work(predict, name):
    ended = predict("nowhere", output=name)
    assert ended.code == 2
    assert "written as .csv or .parquet. Nothing was predicted" in ended.flat


def test_no_photo_is_a_sentence(predict):
    ended = predict("nowhere")
    assert ended.code == 2
    assert "There is no photo to predict at nowhere: nothing is there" in ended.flat


def test_no_bundle_is_a_sentence(biomass):
    ended = biomass("predict", "photos", "--bundle", "nowhere", "-o", "out.csv")
    assert ended.code == 2
    assert "There is no whole model bundle at nowhere" in ended.flat


class TestBy:
    def test_folders_are_summarised(self, predict, meadow):
        assert predict(meadow.photos, "--by", "folder").code == 0
        table = pd.read_csv("out.csv")
        assert table["group"].unique().tolist() == ["a", "b"]
        assert table["n_photos"].eq(9).all()
        assert (table["standard_error"] > 0).all()
        assert table.loc[table["target"] == "cover", "kg_dm_ha"].isna().all()

    def test_a_column_of_a_table_is_summarised(self, predict, meadow, tmp_path):
        rows = [f"p{n:02d}.png,P{n // 6}" for n in range(18)]
        (tmp_path / "photos.csv").write_text("\n".join(["photo,paddock", *rows]))
        ended = predict(meadow.photos, "--by", "paddock", "--table", "photos.csv")
        assert ended.code == 0
        table = pd.read_csv("out.csv")
        assert table["group"].unique().tolist() == ["P0", "P1", "P2"]
        y = table.pivot_table(index="group", columns="target", values="y_mean")
        assert (y["total_g"] - y["green_g"] - y["dead_g"]).abs().max() < 1e-9

    def test_a_photo_without_a_paddock_is_named(self, predict, meadow, tmp_path):
        (tmp_path / "photos.csv").write_text("photo,paddock\np00.png,P0\n")
        ended = predict(meadow.photos, "--by", "paddock", "--table", "photos.csv")
        assert ended.code == 2
        assert "photos.csv has no paddock for 17 photo(s): a/p02" in ended.flat

    def test_a_column_needs_a_table(self, predict, meadow):
        ended = predict(meadow.photos, "--by", "paddock")
        assert ended.code == 2
        assert "name it with --table" in ended.flat


def test_names_that_spreadsheets_run_are_made_safe(predict, tmp_path):
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "plain", "'already"]
    for number, name in enumerate(names):
        photo(tmp_path / "photos" / f"{name}.png", green=40 + number)
    assert predict("photos").code == 0
    cells = set(pd.read_csv("out.csv", dtype=str)["image_id"])
    assert cells == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "plain", "'already"}
    assert predict("photos", output="out.parquet").code == 0
    assert set(pd.read_parquet("out.parquet")["image_id"]) == set(names)


def test_a_folders_name_is_made_safe_too(predict, tmp_path):
    photo(tmp_path / "photos" / "=cmd" / "one.png", green=40)
    predict("photos", "--by", "folder")
    assert pd.read_csv("out.csv")["group"].unique().tolist() == ["'=cmd"]


def test_a_terminal_gets_a_bar(monkeypatch, predict, meadow, tmp_path):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    photo(tmp_path / "photos" / "new.png", green=77, blue=200)
    ended = predict("photos")
    assert ended.code == 0
    assert "1 photo embedded" in ended.out
