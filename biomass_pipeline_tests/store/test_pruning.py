"""Listed before it is deleted; never the current extraction, never what is being written."""

from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from biomass_pipeline.store import delete, leftovers
from biomass_pipeline.store.locks import fold_lock
from biomass_pipeline_tests.store.fold import STAMP, final_of, fold_of, folder_at, names, write

OLD = replace(STAMP, fingerprint="0" * 16)
CURRENT = STAMP.fingerprint


@pytest.fixture
def folder(tmp_path):
    """Two folds of an old extraction; one of the current with a replaced and a damaged file."""
    folder = folder_at(tmp_path)
    for fold in range(2):
        write(folder, fold, fold_of((f"p{fold}", f"c{fold}")), stamp=OLD)
    write(folder, 0, fold_of(("a", "c1"), ("b", "c2")))
    write(folder, 0, fold_of(("a", "c1")))
    folder.set_aside(0, CURRENT)
    write(folder, 0, fold_of(("n", "c7")))
    return folder


def listed(folder):
    found = leftovers(folder.layout.extractions, current=CURRENT, n_folds=3)
    return {(file.extraction[:1], file.path.name): file.why for file in found}


def test_other_extractions_and_spare_files_are_listed_with_their_sizes(folder):
    assert listed(folder) == {
        ("0", "fold_0.h5"): "of an earlier configuration",
        ("0", "fold_1.h5"): "of an earlier configuration",
        ("f", "fold_0.1.superseded"): "replaced",
        ("f", "fold_0.1.damaged"): "set aside as damaged",
    }
    for file in leftovers(folder.layout.extractions, current=CURRENT, n_folds=3):
        assert file.n_bytes == file.path.stat().st_size > 0


def test_what_was_listed_goes_and_nothing_else(folder, tmp_path):
    found = leftovers(folder.layout.extractions, current=CURRENT, n_folds=3)
    assert delete(found) == found
    assert names(tmp_path) == ["fold_0.h5"]
    assert not folder.layout.features(OLD.fingerprint).exists()
    assert folder.open(0, CURRENT).load().image_ids == ("n",)
    assert leftovers(folder.layout.extractions, current=CURRENT, n_folds=3) == []


def test_a_fold_that_is_being_written_keeps_its_files(folder):
    found = leftovers(folder.layout.extractions, current=CURRENT, n_folds=3)
    with fold_lock(final_of(folder)), fold_lock(folder.layout.feature_cache(OLD.fingerprint, 1)):
        assert set(listed(folder)) == {("0", "fold_0.h5")}
        gone = delete(found)
    assert [file.path.name for file in gone] == ["fold_0.h5"]
    assert set(listed(folder)) == {
        ("0", "fold_1.h5"),
        ("f", "fold_0.1.superseded"),
        ("f", "fold_0.1.damaged"),
    }


def test_what_a_killed_run_left_of_the_current_extraction_stays(folder):
    with pytest.raises(KeyboardInterrupt):
        write(folder, 2, fold_of(("x", "c8")), stop_after=0)
    assert ("f", "fold_2.h5.partial") not in listed(folder)


def test_strange_files_in_an_old_folder_stay(folder):
    kept = folder.layout.features(OLD.fingerprint) / "notes.txt"
    kept.write_text("mine")
    delete(leftovers(folder.layout.extractions, current=CURRENT, n_folds=3))
    assert kept.read_text() == "mine"


def test_without_a_cache_there_is_nothing_to_delete(tmp_path):
    assert leftovers(tmp_path / "features", current=CURRENT, n_folds=3) == []


def test_folds_that_are_no_more_are_listed_and_go(folder, tmp_path):
    write(folder, 1, fold_of(("x", "c8")))
    final_of(folder, 1).with_name("fold_1.h5.partial").write_bytes(b"left")
    final_of(folder, 1).with_name("fold_x.h5").write_bytes(b"mine")
    found = leftovers(folder.layout.extractions, current=CURRENT, n_folds=1)
    gone = {file.path.name for file in found if file.why == "of a fold that is no more"}
    assert gone == {"fold_1.h5", "fold_1.h5.partial"}
    delete(found)
    assert names(tmp_path) == ["fold_0.h5", "fold_x.h5"]


@pytest.mark.parametrize("lock", [".fold_1.lock", ".folder.lock"])
def test_a_lock_that_somebody_holds_is_never_deleted(folder, lock):
    old = folder.layout.features(OLD.fingerprint)
    found = [
        file
        for file in leftovers(folder.layout.extractions, current=CURRENT, n_folds=3)
        if file.path.parent == old
    ]
    (old / "fold_1.h5").unlink()
    with FileLock(old / lock):
        assert [file.path.name for file in delete(found[:1])] == ["fold_0.h5"]
        assert (old / lock).exists()
    assert [file.path.name for file in delete(found[:1])] == ["fold_0.h5"]
    assert not old.exists()


def test_a_file_that_vanishes_meanwhile_is_not_listed(folder, monkeypatch):
    glob = Path.glob

    def vanishing(self, pattern):
        paths = list(glob(self, pattern))
        if pattern == "fold_*.superseded":
            paths.append(self / "fold_0.9.superseded")
        return iter([*paths, self / "gone" / "fold_0.h5"] if pattern == "*/fold_*" else paths)

    monkeypatch.setattr(Path, "glob", vanishing)
    assert len(listed(folder)) == 4
