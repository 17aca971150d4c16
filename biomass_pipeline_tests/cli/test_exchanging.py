"""`cache export` and `cache import`: out, in, and trained on, as a person types it."""

import shutil

import numpy as np
import pytest

from biomass_pipeline.cli.cache_verbs import cache_app
from biomass_pipeline.store import FORMATS, open_cache

pytestmark = pytest.mark.slow


def caches(farm):
    return sorted((farm.folder / "artefacts" / "features").glob("*/*.h5"))


@pytest.fixture
def emptied(biomass, done):
    """A finished farm that lost its features; what they were, by name."""
    before = {path.name: path.read_bytes() for path in caches(done)}
    assert biomass("cache", "export", "--format", "webdataset", "-o", "out").code == 0
    shutil.rmtree(done.folder / "artefacts" / "features")
    return before


def test_what_went_out_comes_back_byte_for_byte(biomass, done, emptied):
    ended = biomass("cache", "import", "out")
    assert ended.code == 0, ended.flat
    assert ended.out.splitlines() == [f"fold {k}: 4 photos taken over" for k in range(3)]
    back = {path.name: path.read_bytes() for path in caches(done)}
    assert back == {name: data for name, data in emptied.items() if name != "inference.h5"}
    told = biomass("cache", "import", "out", "--json").json
    assert [(part["taken_over"], part["here_already"]) for part in told["parts"]] == [(0, 4)] * 3
    assert biomass("run", "--json").json["photos_embedded"] == 0


def test_one_fold_alone(biomass, done, emptied):
    assert biomass("cache", "import", "out", "--fold", "1").code == 0
    assert [path.name for path in caches(done)] == ["fold_1.h5"]
    lacking = biomass("cache", "import", "out", "--fold", "7")
    assert (lacking.code, "there is no fold_7.json" in lacking.flat) == (1, True)


def test_the_export_is_told_to_a_person_and_to_a_program(biomass, done):
    told = biomass("cache", "export", "--format", "npy", "-o", "out", "--json").json
    assert [part["photos"] for part in told["parts"]] == [4, 4, 4]
    again = biomass("cache", "export", "--format", "npy", "-o", "out")
    assert (again.code, "--force" in again.flat) == (2, True)
    one = biomass("cache", "export", "--format", "npy", "-o", "out", "--force", "--fold", "2")
    assert one.code == 0
    assert one.out.startswith("fold 2: 4 photos, 8 rows; 4 files")
    assert {path.name.partition(".")[0] for path in (done.folder / "out").iterdir()} == {"fold_2"}


def test_features_of_another_extraction_are_refused(biomass, done):
    assert biomass("cache", "export", "--format", "npy", "-o", "out").code == 0
    ended = biomass("cache", "import", "out", "--set", "cache.dtype=float32")
    assert ended.code == 1
    assert "but the configuration asks for" in ended.flat


@pytest.mark.usefixtures("done")
def test_what_is_no_export_is_said_to_be_none(biomass, elsewhere):
    (elsewhere / "nothing").mkdir()
    ended = biomass("cache", "import", elsewhere / "nothing")
    assert (ended.code, "is no export" in ended.flat) == (1, True)
    ended = biomass("cache", "import", elsewhere / "nowhere")
    assert (ended.code, "is no export" in ended.flat) == (1, True)


def test_somebodys_arrays_are_taken_on_the_users_word_alone(biomass, done):
    theirs = done.folder / "theirs"
    theirs.mkdir()
    paths = [path for path in caches(done) if path.name.startswith("fold_")]
    folds = [open_cache(path, path.parent.name).load() for path in paths]
    np.save(theirs / "features.npy", np.concatenate([fold.features for fold in folds]))
    np.save(theirs / "offsets.npy", np.arange(0, 25, 2))
    names = [name for fold in folds for name in fold.image_ids]
    (theirs / "image_id.txt").write_text("\n".join(names))
    shutil.rmtree(done.folder / "artefacts" / "features")
    refused = biomass("cache", "import", "theirs")
    assert (refused.code, "`--unstamped`" in refused.flat) == (2, True)
    assert biomass("cache", "import", "theirs", "--unstamped").code == 0
    again = [open_cache(path, path.parent.name).load() for path in caches(done)]
    assert [fold.features.tobytes() for fold in again] == [f.features.tobytes() for f in folds]
    verified = biomass("cache", "verify").out.splitlines()
    assert verified[:3] == [f"fold {k}: whole" for k in range(3)]


def test_a_farm_trains_from_an_export_without_a_cache_of_its_own(biomass, done, emptied, tmp_path):
    """The same scores, nothing embedded, no fold in HDF5; `verify` reads the export."""
    before = (done.folder / "artefacts" / "evaluation" / "metrics.json").read_bytes()
    for name in ("features", "checkpoints", "dagster", "evaluation", "predictions"):
        shutil.rmtree(done.folder / "artefacts" / name, ignore_errors=True)
    words = ("--set", "cache.read_from=out")
    ended = biomass("run", "--json", "--select", "+evaluation", *words)
    assert ended.code == 0, ended.flat
    assert ended.json["photos_embedded"] == 0
    assert not [path for path in caches(done) if path.name.startswith("fold_")]
    assert (done.folder / "artefacts" / "evaluation" / "metrics.json").read_bytes() == before
    assert "fold 0: whole" in biomass("cache", "verify", *words).out.splitlines()
    shard = next((done.folder / "out").glob("fold_0.*.tar"))
    shard.write_bytes(shard.read_bytes()[:-512])
    broken = biomass("cache", "verify", *words)
    assert broken.code == 1
    assert "is not a usable export" in broken.flat


def test_the_formats_of_the_command_line_are_those_of_the_store():
    (command,) = [each for each in cache_app.registered_commands if each.name == "export"]
    said = command.callback.__annotations__["form"].__args__[0].__args__
    assert said == FORMATS
