"""What is attached: settings with the data's places, and which caches can be used, and why not."""

import shutil
from dataclasses import replace

import h5py
import pytest

from biomass_pipeline.errors import AttachedInputError, ConfigError
from biomass_pipeline.inference.embedding import Workplace, lanes_of, stamp_of
from biomass_pipeline.kaggle.attached import competition_config, look_at_caches
from biomass_pipeline.kaggle.walk import Survey, extract
from biomass_pipeline.layout import Layout
from biomass_pipeline_tests.kaggle.grass import CONFIG, settings_text


@pytest.fixture(scope="module")
def made(competition, tmp_path_factory):
    """A stamp, the caches that it made, and those of another fingerprint; not to be touched."""
    root = tmp_path_factory.mktemp("made")
    places = {
        "images": str(competition.folder),
        "labels": str(competition.folder / "train.csv"),
    }
    config = CONFIG.model_copy(update={"data": CONFIG.data.model_copy(update=places)})
    survey = Survey.read(config, base=root, sidecar=None)
    ours = embed(survey, root)
    # What other versions of libraries would have made: the same but for the fingerprint.
    theirs = embed(replace(survey, accepted="f" * 16), root)
    return stamp_of(survey), ours, theirs


def embed(survey, root):
    place = Workplace(cache=root)
    build = lanes_of(survey, place=place)
    list(extract(survey, layout=Layout(root), place=place, build=build))
    return sorted(Layout(root).features(survey.extraction).glob("*.h5"))


def test_settings_get_the_places_of_the_tree(competition, tree):
    place = competition.attach(tree, hidden=False)
    config = competition_config(settings_text(), tree)
    assert config.data.images == str(place)
    assert config.data.labels == str(place / "train.csv")
    assert config.data.submission == str(place / "test.csv")
    assert config.tiling == CONFIG.tiling
    assert competition_config("", tree).folds.n_folds == 5


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("tiling: {tile_px: 0}", "SETTINGS is not a valid configuration"),
        ("tilling: {tile_px: 60}", "did you mean `tiling`"),
        ("- a list", "expected sections"),
        ("a: [", "it is not YAML"),
    ],
)
def test_settings_that_make_no_sense_are_said(competition, tree, settings, told):
    competition.attach(tree, hidden=False)
    with pytest.raises(ConfigError, match=told):
        competition_config(settings, tree)


def test_a_network_takes_the_attached_weights_by_name_or_because_there_are_no_others(
    competition, tree
):
    competition.attach(tree, hidden=False)
    (tree.input / "w").mkdir()
    for name in ("vit.pth", "large.pth"):
        (tree.input / "w" / name).touch()
    named = "backbone: {name: dinov2_vits14, checkpoint: vit.pth}"
    assert competition_config(named, tree).backbone.checkpoint == str(tree.input / "w" / "vit.pth")
    with pytest.raises(AttachedInputError, match="Exactly one file of weights"):
        competition_config("backbone: {name: dinov2_vits14}", tree)
    # A backbone without weights is not asked which.
    assert competition_config(settings_text(), tree).backbone.checkpoint is None


def test_caches_of_this_extraction_are_used_without_a_word(made):
    stamp, paths, _ = made
    found = look_at_caches(paths, stamp, other_versions=False)
    assert (found.extraction, found.remarks) == (stamp.fingerprint, ())
    assert [cache.path for cache in found.caches] == paths


def test_caches_of_other_settings_are_never_used_and_say_what_differs(made):
    stamp, paths, _ = made
    other = replace(stamp, fingerprint="0" * 16, tile_px=30)
    for other_versions in (False, True):
        found = look_at_caches(paths, other, other_versions=other_versions)
        assert (found.extraction, found.caches) == ("0" * 16, ())
        assert len(found.remarks) == len(paths)
        assert "tile_px 60 instead of 30" in found.remarks[0]


def test_caches_of_other_versions_are_used_only_if_that_is_allowed(made):
    stamp, _, theirs = made
    refused = look_at_caches(theirs, stamp, other_versions=False)
    assert (refused.extraction, refused.caches) == (stamp.fingerprint, ())
    assert "OTHER_VERSIONS = True takes it" in refused.remarks[0]
    found = look_at_caches(theirs, stamp, other_versions=True)
    assert found.extraction == "f" * 16
    assert [cache.path for cache in found.caches] == theirs
    (remark,) = found.remarks
    assert remark.startswith("used: caches of extraction ffffffffffffffff")


def test_caches_of_this_extraction_go_before_those_of_other_versions(made):
    stamp, ours, theirs = made
    found = look_at_caches([*theirs, *ours], stamp, other_versions=True)
    assert (found.extraction, [cache.path for cache in found.caches]) == (stamp.fingerprint, ours)
    assert len(found.remarks) == len(theirs)


def test_a_file_that_is_no_cache_is_told(made, tmp_path):
    stamp, *_ = made
    (tmp_path / "fold_0.h5").write_bytes(b"nonsense")
    found = look_at_caches([tmp_path / "fold_0.h5"], stamp, other_versions=True)
    assert found.caches == ()
    assert found.remarks[0].startswith("not used: ")


def test_a_cache_whose_fingerprint_leads_out_of_the_folder_is_not_used(made, tmp_path):
    """It would be copied to where its fingerprint says."""
    stamp, _, theirs = made
    path = tmp_path / "fold_0.h5"
    shutil.copyfile(theirs[0], path)
    with h5py.File(path, "r+", libver="latest") as file:
        file.attrs["extraction_fingerprint"] = "../../elsewhere"
        del file.attrs["attributes_crc32"]
        del file["structure_check"]
    found = look_at_caches([path], stamp, other_versions=True)
    assert (found.extraction, found.caches) == (stamp.fingerprint, ())
    assert "'../../elsewhere' should be the name of one folder" in found.remarks[0]
