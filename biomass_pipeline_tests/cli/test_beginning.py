"""`init` writes a configuration that is valid and fits the data."""

import pytest
import yaml

from biomass_pipeline.config import load_config


@pytest.fixture
def told(biomass):
    def init(*words):
        return biomass("init", "--images", "photos", "--labels", "labels.csv", *words)

    return init


@pytest.fixture
def bare(farm):
    """A farm without a configuration."""
    (farm.folder / "biomass.yaml").unlink()
    return farm


def test_what_it_writes_is_commented_and_valid(told, bare):
    ended = told()
    assert ended.code == 0
    assert "wide labels of mass_g (g), 6 groups by date, photos of 32 x 16 px" in ended.flat
    text = (bare.folder / "biomass.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Written by `biomass init`")
    config = load_config(bare.folder / "biomass.yaml")
    assert config.name == "farm"
    assert config.data.target_names == ("mass_g",)
    assert config.data.group_columns == ("date",)
    assert config.data.date_column == "date"
    assert (config.data.images, config.data.labels) == ("photos", "labels.csv")
    assert "quadrat_area_m2" in text


def test_fewer_groups_make_fewer_folds(told, bare):
    for name in [name for name in bare.rows if name[1] not in "012"]:
        bare.rows.pop(name)
    bare.write()
    assert told("--force").code == 0
    assert load_config(bare.folder / "biomass.yaml").folds.n_folds == 3


def test_locations_are_told_from_where_the_configuration_is(told, bare):
    assert told("-o", "below/it.yaml", "--name", "other").code == 0
    config = load_config(bare.folder / "below" / "it.yaml")
    assert config.name == "other"
    assert (config.data.images, config.data.labels) == ("../photos", "../labels.csv")


def test_an_absolute_location_stays(biomass, bare):
    photos, labels = bare.folder / "photos", bare.folder / "labels.csv"
    assert biomass("init", "--images", photos, "--labels", labels).code == 0
    written = yaml.safe_load((bare.folder / "biomass.yaml").read_text(encoding="utf-8"))
    assert written["data"]["images"] == str(photos)


def test_a_configuration_in_the_way_is_kept(told, farm):
    before = (farm.folder / "biomass.yaml").read_text(encoding="utf-8")
    ended = told()
    assert ended.code == 2
    assert "--force" in ended.err
    assert (farm.folder / "biomass.yaml").read_text(encoding="utf-8") == before


def test_a_wrong_name_writes_nothing(told, bare):
    ended = told("--name", "my farm")
    assert ended.code == 2
    assert "`name`" in ended.err
    assert not (bare.folder / "biomass.yaml").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--images", "nope"], "no photo folder at nope. Give an existing one with `--images`"),
        (
            ["--labels", "nope.csv"],
            "no label file at nope.csv. Give an existing one with `--labels`",
        ),
        (["--labels", "gs9://x.csv"], "gs9://x.csv cannot be reached"),
        (["--target", "banana"], "no numbers called banana"),
        (["--group", "banana"], "no column banana to group by"),
    ],
)
def test_a_mistake_names_the_option(told, bare, words, sentence):
    ended = told(*words)
    assert ended.code == 2
    assert sentence in ended.flat
    assert not (bare.folder / "biomass.yaml").exists()


def test_a_folder_without_a_readable_photo_is_refused(told, bare):
    for path in (bare.folder / "photos").iterdir():
        path.write_bytes(b"no photo")
    ended = told()
    assert ended.code == 2
    assert "no readable photo" in ended.err
