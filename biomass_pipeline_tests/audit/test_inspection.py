"""Every artefact that is not as it was written is named; what is as it was is not."""

import json
import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from biomass_pipeline.audit import State
from biomass_pipeline.audit.inspection import audit, ground_of
from biomass_pipeline.project import Project
from biomass_pipeline_tests.audit.damage import cut, flip

pytestmark = pytest.mark.slow

TABLES = [
    "image_manifest.parquet",
    "label_table.parquet",
    "fold_assignment.parquet",
    "fold_ledger.parquet",
    "patch_index/fold_0.parquet",
    "fold_predictions/fold_1.parquet",
    "predictions/oof_predictions.parquet",
    "predictions/predictions.parquet",
]
DOCUMENTS = [
    "checkpoints/mil_checkpoint_1.json",
    "checkpoints/ridge_baseline_2.json",
    "predictions/submission.csv",
    "evaluation/metrics.json",
    "report/report.html",
]
BESIDE = ["report/report.md", "report/model_card.md", "report/figures/residuals.png"]
MODELS = ["fold_0/seed_0.ckpt", "fold_2/stamp.json", "fold_1/ridge.npz"]
CACHES = ["fold_0.h5", "inference.h5"]
EVERYTHING = [*TABLES, *DOCUMENTS, *BESIDE, *MODELS, *CACHES]


class Site:
    """A copy of the finished farm that is damaged, looked at, and mended again."""

    def __init__(self, folder):
        self.project = Project.open(folder / "biomass.yaml", environment={})
        self.root = folder / "artefacts"
        self.ground = ground_of(self.project)

    def path(self, name):
        """A file by the end of its path."""
        (found,) = [
            path
            for path in self.root.rglob(Path(name).name)
            if path.as_posix().endswith(f"/{name}") and "dagster" not in path.parts
            if name not in CACHES or path.parent.parent.name == "features"
        ]
        return found

    def faults(self):
        """What is wrong, by artefact."""
        self.ground.tables.clear()
        self.ground.documents.clear()
        return {one.name: one for one in audit(self.ground) if one.state.is_fault}

    def names(self, *paths):
        return {path.relative_to(self.root).as_posix() for path in paths}

    @contextmanager
    def damaged(self, *paths):
        kept = {path: path.read_bytes() for path in paths}
        try:
            yield
        finally:
            for path, content in kept.items():
                path.write_bytes(content)


@pytest.fixture(scope="module")
def site(finished_farm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "farm"
    shutil.copytree(finished_farm.folder, folder)
    return Site(folder)


class TestLaws:
    """Each kind of artefact, damaged in each way, is named."""

    def test_an_untouched_project_is_whole(self, site):
        assert site.faults() == {}

    def test_a_flipped_byte_is_named(self, site):
        for name in EVERYTHING:
            path = site.path(name)
            with site.damaged(path):
                flip(path)
                assert site.names(path) <= site.faults().keys(), name

    @pytest.mark.parametrize("how", [cut, Path.unlink])
    def test_what_is_cut_off_or_gone_is_named(self, site, how):
        paths = [site.path(name) for name in [*TABLES[:1], *DOCUMENTS, *MODELS, *CACHES]]
        paths += [site.path(name) for name in TABLES[3:]]
        # All at once: each is found by itself, whatever becomes of the others.
        with site.damaged(*paths):
            for path in paths:
                how(path)
            faults = site.faults()
            unread = {"predictions/submission.csv"}  # with the table that it is compared with
            expected = site.names(*paths) - (unread if how is cut else set())
            assert expected <= faults.keys()

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("patch_index/fold_0.parquet", "patch_index/fold_1.parquet"),
            ("fold_predictions/fold_0.parquet", "fold_predictions/fold_2.parquet"),
            ("checkpoints/mil_checkpoint_0.json", "checkpoints/mil_checkpoint_1.json"),
            ("fold_0/seed_0.ckpt", "fold_1/seed_0.ckpt"),
            ("fold_0/ridge.npz", "fold_2/ridge.npz"),
        ],
    )
    def test_the_file_of_another_fold_is_named_as_such(self, site, one, other):
        first, second = site.path(one), site.path(other)
        with site.damaged(first, second):
            content = first.read_bytes()
            first.write_bytes(second.read_bytes())
            second.write_bytes(content)
            faults = site.faults()
            (name,), (second_name,) = site.names(first), site.names(second)
            assert {name, second_name} <= faults.keys()
            assert f"it is the file of {Path(other).name}" in faults[name].what or (
                f"it is the file of {other}" in faults[name].what
            )

    def test_the_cache_of_another_fold_does_not_fit(self, site):
        first, second = site.path("fold_0.h5"), site.path("fold_1.h5")
        with site.damaged(first):
            shutil.copyfile(second, first)
            (name,) = site.names(first)
            assert site.faults()[name].state is State.UNFIT

    def test_a_database_that_is_no_more_is_named(self, site):
        path = site.root / "dagster/history/runs/index.db"
        log = path.with_name("index.db-wal")
        with site.damaged(*(each for each in (path, log) if each.exists())):
            log.unlink(missing_ok=True)
            path.write_bytes(b"rubbish" * 2000)
            fault = site.faults()["dagster/history/runs/index.db"]
            assert "SQLite" in fault.what
            path.unlink()
            assert site.faults()["dagster"].state is State.MISSING


def test_an_unsealed_table_of_other_photos_does_not_fit(site):
    path = site.path("label_table.parquet")
    with site.damaged(path):
        pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
        faults = site.faults()
        assert faults["label_table.parquet"].state is State.UNFIT
        assert "unlike image_manifest.parquet, it lacks s0n0" in faults["label_table.parquet"].what


def test_an_earlier_schema_is_told_with_what_makes_it_anew(site):
    path = site.path("evaluation/metrics.json")
    with site.damaged(path):
        content = json.loads(path.read_text()) | {"schema_version": 1}
        del content["seal"]
        path.write_text(json.dumps(content))
        site.ground.documents.clear()
        (found,) = [one for one in audit(site.ground) if one.name == "evaluation/metrics.json"]
        assert found.state is State.EARLIER
        assert found.what == "it has schema version 1, and this release writes 2"
        assert found.remedy.startswith("delete it and run `biomass run`")


def test_models_of_other_settings_are_earlier_ones_and_no_fault(site):
    other = Site(site.root.parent)
    other.project = Project.open(
        site.root.parent / "biomass.yaml", overrides=("training.ridge.clip=3.0",), environment={}
    )
    other.ground.project = other.project
    found = {one.name: one for one in audit(other.ground)}
    assert found["checkpoints/ridge_baseline_0.json"].state is State.EARLIER
    assert "other settings" in found["checkpoints/ridge_baseline_0.json"].what
    assert found["checkpoints/mil_checkpoint_0.json"].state is State.WHOLE
    assert not other.faults()


def test_what_was_searched_is_checked_by_sqlite(site):
    studies = site.root / "tuning/studies.sqlite3"
    studies.parent.mkdir()
    with sqlite3.connect(studies) as connection:
        connection.execute("CREATE TABLE trials (value REAL)")
    connection.close()
    try:
        assert site.faults() == {}
        studies.write_bytes(studies.read_bytes()[:-600])
        assert "tuning/studies.sqlite3" in site.faults()
    finally:
        shutil.rmtree(studies.parent)
