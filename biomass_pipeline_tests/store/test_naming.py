"""Names of cache files are read back as what they stand for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import StrayNameError
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import all_cache_files, fold_of, part_name
from biomass_pipeline.store.naming import NO_FOLD, cache_files

ENDINGS = ("", ".partial")


@given(st.none() | st.integers(0, 99), st.sampled_from(ENDINGS))
def test_a_files_name_tells_its_fold(fold, ending):
    path = Layout(Path("root")).feature_cache("f" * 16, fold)
    assert fold_of(path.with_name(path.name + ending)) == fold
    assert fold_of(path.with_name(f"{path.stem}.2.superseded")) == fold


@pytest.mark.parametrize("name", ["fold_x.h5", "7.h5", "notes.txt", "inferences.h5", "fold_.h5"])
def test_other_names_are_of_no_fold(name):
    assert fold_of(Path(name)) == NO_FOLD


def test_folds_come_first_and_strangers_not_at_all(tmp_path):
    for extraction in ("b", "a"):
        (tmp_path / extraction).mkdir()
        for name in ("inference.h5", "fold_1.h5", "fold_0.h5", "notes.h5", ".fold_0.lock"):
            (tmp_path / extraction / name).touch()
    (tmp_path / "a" / "inference.1.superseded").touch()
    (tmp_path / "fold_9.h5").touch()
    of_a = ["fold_0.h5", "fold_1.h5", "inference.h5"]
    assert [path.name for path in cache_files(tmp_path / "a", ".h5")] == of_a
    assert [path.name for path in cache_files(tmp_path / "a", ".superseded")] == [
        "inference.1.superseded"
    ]
    found = [f"{path.parent.name}/{path.name}" for path in all_cache_files(tmp_path, ".h5")]
    assert found == [f"a/{name}" for name in of_a] + [f"b/{name}" for name in of_a]


def test_people_are_told_of_unlabelled_photos():
    assert (part_name(2), part_name(None)) == ("fold 2", "unlabelled photos")


@pytest.mark.parametrize("name", ["..", ".", "", "../../etc", "a/b", "/etc", "a\\b", "a\0b"])
def test_no_fingerprint_leads_out_of_its_folder(name):
    """Fingerprints are read from caches and from `checkpoints/*.json`, which others may write."""
    layout = Layout(Path("root"))
    for path in (
        lambda: layout.features(name),
        lambda: layout.feature_cache(name, 0),
        lambda: layout.checkpoint(name, 0),
        lambda: layout.partitioned_table("protocol_predictions", name),
    ):
        with pytest.raises(StrayNameError, match="should be the name of one folder"):
            path()
