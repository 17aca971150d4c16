"""`cache verify --repair` mends just what is damaged; `cache prune` asks before it deletes."""

import h5py
import pytest

from biomass_pipeline.store.locks import fold_lock

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
        assert "1 folds made again, 2 photos embedded." in ended.out
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

    def test_without_damage_nothing_is_touched(self, biomass, done):
        before = [path.stat().st_mtime_ns for path in caches(done)]
        ended = biomass("cache", "verify", "--repair")
        assert ended.code == 0
        assert "Nothing to repair, 0 photos embedded." in ended.out
        assert [path.stat().st_mtime_ns for path in caches(done)] == before


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
        old = [path for path in caches(two) if path.parent != caches(two)[0].parent]
        current = {row["file"]: row for row in biomass("cache", "prune", "--json").json["files"]}
        path = next(path for path in caches(two) if str(path) in current)
        with fold_lock(path):
            left = biomass("cache", "prune", "--json").json["files"]
        assert len(left) == 2
        assert len(old) == 3


@pytest.mark.usefixtures("farm")
def test_without_a_cache_there_is_nothing_to_verify_or_prune(biomass):
    ended = biomass("cache", "verify", "--repair")
    assert ended.code == 1
    assert "Materialize `feature_cache`" in ended.err
    assert biomass("cache", "prune").code == 0
