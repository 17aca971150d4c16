"""`cache verify --repair` mends just what is damaged; `cache prune` asks before it deletes."""

import h5py
import pandas as pd
import pytest

from biomass_pipeline.audit.caches import fold_contents
from biomass_pipeline.errors import InterruptedRunError
from biomass_pipeline.orchestration import Graph
from biomass_pipeline.store import FeatureFolder
from biomass_pipeline.store.locks import fold_lock
from biomass_pipeline_tests.store.fold import refused

pytestmark = pytest.mark.slow


def caches(done):
    """The folds' files."""
    return sorted((done.folder / "artefacts" / "features").glob("*/fold_*.h5"))


def damage(path, photo, *, value=7):
    """Change one feature of a photo; its name."""
    with h5py.File(path, "r+") as file:
        row = file["offsets"][photo]
        file["features"][row, 0] = value
        return file["image_id"].asstr()[photo]


class Refusing:
    """An embedder that refuses the one photo that it is asked for."""

    def __init__(self, width):
        self.width = width

    def feature_dim(self):
        return self.width

    def notes(self):
        return {}

    def embed(self, wanted):
        yield from (refused(photo, "blurred") for photo in wanted)


@pytest.fixture
def quarantined():
    """Write a fold again without its first photo; its name."""

    def leave_out(done, fold):
        project = done.project()
        path = caches(done)[fold]
        folder = FeatureFolder(project.layout)
        contents = fold_contents(project, fold)
        stamp = folder.open(fold, path.parent.name).stamp()
        damage(path, 0)
        folder.set_aside(fold, path.parent.name)
        folder.write(
            fold, contents, stamp=stamp, embedder=Refusing(stamp.feature_dim), max_refused=1
        )
        return contents.image_ids[0]

    return leave_out


class TestVerify:
    def test_a_changed_feature_is_found_and_its_photo_named(self, biomass, done):
        name = damage(caches(done)[1], 2)
        ended = biomass("cache", "verify")
        assert ended.code == 1
        assert f"photo {name}: tile 0 (row_px 0, col_px 0) is not what was written" in ended.out
        assert "biomass cache verify --repair" in ended.flat
        assert "fold 0: whole" in ended.out.splitlines()
        assert biomass("cache", "verify", "--json").json["damaged"] == {"1": [name]}

    def test_a_file_without_checks_is_said_to_have_none(self, biomass, done):
        with h5py.File(caches(done)[0], "r+") as file:
            del file["row_check"], file["structure_check"]
        ended = biomass("cache", "verify")
        assert ended.code == 0
        assert "fold 0: whole, but without checksums" in ended.out
        assert biomass("cache", "verify", "--json").json["without_checks"] == [0]


class TestRepair:
    def test_just_the_damaged_photos_are_embedded_again(self, biomass, done):
        paths = caches(done)
        before = [path.read_bytes() for path in paths]
        for photo in (0, 3):
            damage(paths[1], photo)
        ended = biomass("cache", "verify", "--repair")
        assert ended.code == 0, ended.flat
        assert "Files made again: 1; photos embedded: 2." in ended.out
        assert "fold 1: whole" in ended.out.splitlines()
        assert [path.read_bytes() for path in (paths[0], paths[2])] == [before[0], before[2]]
        assert biomass("cache", "verify").code == 0
        assert biomass("run", "--json").json["materialized"] == []

    def test_a_file_that_nothing_can_be_read_of_is_made_again(self, biomass, done):
        caches(done)[2].write_bytes(b"rubbish")
        told = biomass("cache", "verify", "--repair", "--json")
        assert told.code == 0
        assert told.json["repaired"] == [2]
        assert told.json["photos_embedded"] == 4
        assert told.json["problems"] == {}

    def test_a_fold_without_a_file_is_made_again(self, biomass, done):
        caches(done)[1].unlink()
        assert biomass("cache", "verify", "--repair", "--json").json["repaired"] == [1]

    def test_what_only_a_run_can_mend_is_told_and_left_alone(self, biomass, done):
        index = done.folder / "artefacts" / "patch_index"
        (index / "fold_0.parquet").unlink()
        table = pd.read_parquet(index / "fold_1.parquet")
        table[table["image_id"] != table["image_id"][0]].to_parquet(index / "fold_1.parquet")
        last = caches(done)[2]
        last.unlink()
        last.mkdir()
        before = [path.stat().st_mtime_ns for path in caches(done)]
        ended = biomass("cache", "verify", "--repair")
        assert ended.code == 1
        assert "Nothing to repair; photos embedded: 0." in ended.out
        assert "fold 0: Asset `patch_index` has nothing" in ended.flat
        assert "undamaged, but its image_ids are not those of `patch_index`" in ended.flat
        assert "cannot be read: is a directory" in ended.flat
        assert ended.flat.count("run `biomass run`") + ended.flat.count("Run `biomass run`") == 3
        assert [path.stat().st_mtime_ns for path in caches(done)] == before

    def test_a_damaged_file_is_set_aside_just_before_its_own_run(self, biomass, done, monkeypatch):
        def fails(*_, **__):
            raise InterruptedRunError

        for path in caches(done)[:2]:
            damage(path, 0)
        monkeypatch.setattr(Graph, "run", fails)
        assert biomass("cache", "verify", "--repair").code
        assert [path.name for path in caches(done)] == ["fold_1.h5", "fold_2.h5"]

    def test_quarantined_photos_are_tried_again(self, biomass, done, quarantined):
        name = quarantined(done, 1)
        told = biomass("cache", "verify")
        assert told.code == 3
        assert "1 photo quarantined (`biomass cache verify --repair` tries them" in told.flat
        ended = biomass("cache", "verify", "--repair", "--json")
        assert ended.code == 0, ended.flat
        assert (ended.json["repaired"], ended.json["tried_again"]) == ([], [1])
        assert ended.json["photos_embedded"] == 1
        with h5py.File(caches(done)[1]) as file:
            assert name in file["image_id"].asstr()[...]
        assert not list(done.folder.rglob("fold_*.superseded"))

    def test_without_damage_nothing_is_touched(self, biomass, done):
        before = [path.stat().st_mtime_ns for path in caches(done)]
        ended = biomass("cache", "verify", "--repair")
        assert ended.code == 0
        assert "Nothing to repair; photos embedded: 0." in ended.out
        assert [path.stat().st_mtime_ns for path in caches(done)] == before


@pytest.mark.usefixtures("done")
class TestPhotosWithoutLabels:
    """Their cache is verified and repaired like a fold's."""

    @pytest.fixture
    def path(self, biomass, done):
        done.photo("new0.png", 99, blue=77)
        done.photo("new1.png", 55, blue=78)
        told = biomass("run", "--json")
        assert told.json["photos_embedded"] == 2
        assert told.json["unlabelled"]["photos"] == 2
        assert told.json["unlabelled"]["predictions"].endswith("predictions/predictions.parquet")
        assert "Photos without labels: 2 predicted in" in biomass("run").flat
        (path,) = done.folder.rglob("inference.h5")
        return path

    def test_they_are_verified_repaired_and_listed(self, biomass, path):
        assert "unlabelled photos: whole" in biomass("cache", "verify").out.splitlines()
        name = damage(path, 1)
        told = biomass("cache", "verify", "--json")
        assert (told.code, told.json["damaged"]) == (1, {"inference": [name]})
        assert told.json["folds"] == 3
        ended = biomass("cache", "verify", "--repair", "--json")
        assert ended.code == 0, ended.flat
        assert (ended.json["repaired"], ended.json["photos_embedded"]) == (["inference"], 1)
        assert "inference.h5" in {row["file"] for row in biomass("cache", "info", "--json").json}


class TestPrune:
    @pytest.fixture
    def two(self, biomass, done):
        """A farm with two extractions, the current one and one of another configuration."""
        words = ("--set", "cache.dtype=float32", "--select", "+feature_cache")
        assert biomass("run", *words).code == 0
        return done

    def test_it_lists_and_asks(self, biomass, two, monkeypatch):
        asked = []
        monkeypatch.setattr("typer.confirm", lambda text: asked.append(text) or False)
        before = caches(two)
        ended = biomass("cache", "prune")
        assert ended.code == 0
        assert asked == ["Delete them?"]
        assert ended.out.count("of an earlier configuration") == 3
        assert "Deleted 0 of 3 files" in ended.out
        assert caches(two) == before

    def test_yes_deletes_the_others_and_never_the_current_one(self, biomass, two):
        ended = biomass("cache", "prune", "--yes")
        assert ended.code == 0
        assert "Deleted 3 of 3 files" in ended.out
        assert len(caches(two)) == 3
        assert biomass("cache", "verify").code == 0
        assert "There is nothing to delete." in biomass("cache", "prune").out

    def test_a_program_lists_first_and_deletes_with_yes(self, biomass, two):
        listed = biomass("cache", "prune", "--json").json
        assert [file["gone"] for file in listed["files"]] == [False] * 3
        assert listed["freed_bytes"] == 0
        assert len(caches(two)) == 6
        told = biomass("cache", "prune", "--json", "--yes").json
        assert told["freed_bytes"] == sum(file["bytes"] for file in listed["files"]) > 0

    def test_what_is_being_written_is_not_listed(self, biomass, two):
        old = {row["file"] for row in biomass("cache", "prune", "--json").json["files"]}
        busy = next(path for path in caches(two) if str(path) in old)
        with fold_lock(busy):
            left = {row["file"] for row in biomass("cache", "prune", "--json").json["files"]}
        assert len(old) == 3
        assert left == old - {str(busy)}


@pytest.mark.usefixtures("farm")
def test_without_a_cache_there_is_nothing_to_verify_or_prune(biomass):
    ended = biomass("cache", "verify", "--repair")
    assert ended.code == 1
    assert "Materialize `feature_cache`" in ended.err
    assert biomass("cache", "prune").code == 0
