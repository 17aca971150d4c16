"""What must hold of a project after whatever happened to it, and one more `biomass run`.

A clean project is the measure: what it holds is what any other way to the same inputs must hold,
byte for byte.
"""

import fcntl
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pandas as pd

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.store import FeatureFolder

# Artefacts that are the same however they came about; the report says how long stages took.
_SAME = ("*.parquet", "*.h5", "predictions/*", "evaluation/*", "checkpoints/*.json")
# Its page tells of the runs before it, so it is another one after each misfortune.
_TELLS_OF_RUNS = "report"
# The ledger of a project may remember more; the sidecar has the listing's times.
_OWN = {".image_hashes.parquet"}
# What only lies there while something is written, or after it was cut short.
_LEFT = (".partial", ".superseded", ".interrupted", ".damaged", ".last.ckpt", "-journal")
_ENDED = {
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
}


def broken(root: Path, clean: Path) -> list[str]:
    """Every law that a project breaks, in words; none if all is well."""
    layout = Layout(root)
    found = [
        *_other_bytes(root, clean),
        *_left_over(root, clean),
        *_held(root),
        *_unsound(layout.dagster_home),
        *_not_once(layout),
    ]
    with open_instance(layout) as instance:
        found += [*_unended(instance), *_occupied(instance)]
    with open_instance(layout) as instance, open_instance(Layout(clean)) as measure:
        found += _other_versions(instance, measure)
    return found


def artefacts(root: Path) -> dict[str, bytes]:
    """What is to be the same, by its path."""
    files = {file for pattern in _SAME for file in root.rglob(pattern)}
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(files)
        if file.is_file() and file.name not in _OWN
    }


def _other_bytes(root: Path, clean: Path) -> Iterator[str]:
    here, there = artefacts(root), artefacts(clean)
    for name in sorted(here.keys() | there.keys()):
        if name not in here:
            yield f"{name} is not there"
        elif name not in there:
            yield f"{name} is one too many"
        elif here[name] != there[name]:
            yield f"{name} has other bytes"


def _left_over(root: Path, clean: Path) -> Iterator[str]:
    """But what was begun under other settings waits for them to come back."""
    models = {folder.name for folder in (clean / "checkpoints").iterdir() if folder.is_dir()}
    for file in root.rglob("*"):
        name = file.relative_to(root)
        if name.parts[0] == "checkpoints" and name.parts[1:2] and name.parts[1] not in models:
            continue
        if file.name.endswith(_LEFT):
            yield f"{name} was left behind"


def _held(root: Path) -> Iterator[str]:
    for file in root.rglob("*.lock"):
        with file.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield f"{file.relative_to(root)} is held"


def _unsound(home: Path) -> Iterator[str]:
    for file in home.rglob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            (word,) = database.execute("PRAGMA integrity_check").fetchone()
        if word != "ok":
            yield f"{file.name}: {word}"


def _not_once(layout: Layout) -> Iterator[str]:
    """Each labelled photo that is well, in just one fold's file; no other one."""
    manifest = pd.read_parquet(layout.table("image_manifest"))
    well = manifest[(manifest["status"] == "ok") & manifest["labelled"]]
    folder, held = FeatureFolder(layout), Counter[str]()
    (extraction,) = [path.name for path in layout.extractions.iterdir()]
    for file in layout.features(extraction).glob("fold_*.h5"):
        fold = int(file.stem.removeprefix("fold_"))
        held.update(folder.open(fold, extraction).load().image_ids)
    for name in {*well["image_id"], *held}:
        if held[name] != (name in set(well["image_id"])):
            yield f"photo {name} is {held[name]} times in the caches"


def _unended(instance: dg.DagsterInstance) -> Iterator[str]:
    for run in instance.get_runs():
        if run.status not in _ENDED:
            yield f"run {run.run_id} of {run.job_name} is {run.status.value}"


def _occupied(instance: dg.DagsterInstance) -> Iterator[str]:
    for pool in instance.event_log_storage.get_concurrency_keys():
        info = instance.event_log_storage.get_concurrency_info(pool)
        if info.claimed_slots or info.pending_steps:
            yield f"pool {pool}: {len(info.claimed_slots)} held, {len(info.pending_steps)} wait"


def _other_versions(instance: dg.DagsterInstance, clean: dg.DagsterInstance) -> Iterator[str]:
    """Newest materializations that are not of what the files are, which have the clean bytes."""
    here, there = _versions(instance), _versions(clean)
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            yield f"{name} is known as {here.get(name)}, not as {there.get(name)}"


def _versions(instance: dg.DagsterInstance) -> dict[str, str]:
    found = {}
    for key in instance.all_asset_keys():
        if key.to_user_string() == _TELLS_OF_RUNS:
            continue
        for fold in sorted(instance.get_materialized_partitions(key)) or [None]:
            wanted = dg.AssetRecordsFilter(key, asset_partitions=None if fold is None else [fold])
            for record in instance.fetch_materializations(wanted, limit=1).records:
                tags = record.asset_materialization.tags or {}
                found[f"{key.to_user_string()}[{fold}]"] = tags.get("dagster/data_version", "")
    return found


def words(ended) -> str:
    """What a person was told: the error's sentence, or the scores."""
    try:
        return json.loads(ended.printed.strip().splitlines()[-1]).get("error", "")
    except (ValueError, IndexError, AttributeError):
        return ended.said.strip()[-500:]


def traceback(ended) -> str:
    """A traceback that a person saw; empty if there was none."""
    text = ended.printed + ended.said
    return text[text.index("Traceback") :][-1500:] if "Traceback" in text else ""
