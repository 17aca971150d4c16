"""`biomass verify` names what is damaged, and writes nothing; a moved project is a whole one."""

import hashlib
import os
import re

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.store.locks import waiting_lock
from biomass_pipeline_tests.audit.damage import flip

pytestmark = pytest.mark.slow


def snapshot(folder):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size, path.is_file() and sha256(path))
        for path in folder.rglob("*")
    }


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestVerb:
    def test_a_line_an_artefact_a_summary_and_no_trace(self, biomass, done):
        (done.folder / "artefacts/predictions/x.parquet.1-ab.partial").touch()
        before = snapshot(done.folder)
        ended = biomass("verify")
        assert ended.code == 0, ended.flat
        lines = [" ".join(line.split()) for line in ended.out.splitlines()]
        assert "image_manifest.parquet whole" in lines
        assert "predictions/x.parquet.1-ab.partial leftover a killed process did not finish it" in (
            ended.flat
        )
        assert re.fullmatch(
            r"\d+ artefacts: \d+ whole, 1 readable, 1 leftover\. Nothing to mend\.", lines[-1]
        )
        assert snapshot(done.folder) == before

    def test_damage_is_exit_code_1_for_people_and_programs(self, biomass, done):
        flip(done.folder / "artefacts/label_table.parquet")
        ended = biomass("verify", "--json")
        assert ended.code == 1
        assert not ended.json["whole"]
        (fault,) = [one for one in ended.json["artefacts"] if one["state"] == "damaged"]
        assert fault["name"] == "label_table.parquet"
        assert "delete it and run `biomass run`" in fault["remedy"]

    def test_who_writes_at_this_moment_is_told(self, biomass, done):
        with waiting_lock(done.folder / "artefacts/dagster/command.lock", what="a test"):
            ended = biomass("verify")
        assert ended.code == 0
        assert f"dagster/command.lock busy held by process {os.getpid()} on" in ended.flat

    def test_before_anything_was_made_nothing_is_damaged(self, biomass, farm):
        ended = biomass("verify", "--json")
        assert ended.code == 0
        assert set(ended.json["counts"]) == {"not made"}


class TestMove:
    """A root folder works wherever it lies."""

    def test_a_moved_project_is_whole_and_up_to_date(self, biomass, done, tmp_path, monkeypatch):
        moved = tmp_path / "another place" / "farm"
        moved.parent.mkdir()
        monkeypatch.chdir(tmp_path)
        done.folder.rename(moved)
        monkeypatch.chdir(moved)
        before = sha256(moved / "artefacts/predictions/oof_predictions.parquet")
        assert {row["state"] for row in biomass("status", "--json").json} == {"fresh"}
        told = biomass("run", "--json")
        assert told.json["materialized"] == []
        assert told.json["photos_embedded"] == 0
        assert biomass("verify").code == 0
        assert sha256(moved / "artefacts/predictions/oof_predictions.parquet") == before

    def test_no_artefact_holds_the_path_of_its_root(self, finished_farm):
        root = finished_farm.folder / "artefacts"
        place = os.fsencode(finished_farm.folder)
        dagster = root / "dagster"
        files = [path for path in root.rglob("*") if path.is_file()]
        named = [path for path in files if place in b"".join(texts_of(path))]
        assert [path for path in named if dagster not in path.parents] == []
        # Its event log says where files were when they were written, for its pages.
        assert {path.suffix for path in named} <= {".db", ".db-wal"}


def texts_of(path):
    """A file's bytes, and what is packed in it."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield pd.read_parquet(path).to_csv().encode()
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            yield from (arrays[name].tobytes() for name in arrays.files)
