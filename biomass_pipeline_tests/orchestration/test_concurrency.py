"""Several at work on one project: one waits or is refused with a name, and nothing is damaged."""

import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

import biomass_pipeline
from biomass_pipeline.audit import audit_project
from biomass_pipeline.mil.provenance import STAMP_NAME
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline_tests.farm import build_farm, graph_of
from biomass_pipeline_tests.orchestration.slow_farm import LOG_VARIABLE, PAUSE_VARIABLE, embedded

pytestmark = pytest.mark.slow

ROOT = Path(biomass_pipeline.__file__).resolve().parents[1]
# Twelve photos of two tiles; a fold's file holds those that it holds out.
N_TILES = 24
HOLDER = r"process \d+ on \S+, since \S+ \S+ UTC"


def started(*words, farm, **variables):
    """A program of these tests, on a farm."""
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "BIOMASS_CONFIG": str(farm.folder / "biomass.yaml"),
            LOG_VARIABLE: str(farm.folder / "embedded.txt"),
            PAUSE_VARIABLE: "0.3",
            "OMP_NUM_THREADS": "1",
            **variables,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def command(farm, **variables):
    name = "biomass_pipeline_tests.orchestration.slow_farm"
    return started(name, "run", *FEATURES, farm=farm, **variables)


def pause_s(seconds):
    """For each batch of tiles, so that two are at work at once."""
    return {PAUSE_VARIABLE: str(seconds)}


def machine(farm, number, *, selection):
    name = "biomass_pipeline_tests.orchestration.two_machines"
    home = farm.folder / f"home{number}"
    return started(name, str(farm.folder / "biomass.yaml"), str(home), selection, farm=farm)


def servers_run(farm, *, fold):
    """A run of the UI's: of the same storage and without a command's lock, in the same code."""
    return started(
        "dagster",
        *("asset", "materialize", "-m", "biomass_pipeline_tests.orchestration.slow_farm"),
        *("--select", "feature_cache", "--partition", fold),
        farm=farm,
        **pause_s(2),
        DAGSTER_HOME=str(farm.project().layout.dagster_home),
    )


FEATURES = ("--select", "+feature_cache")


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    """The same farm, on which one command ran alone."""
    farm = build_farm(tmp_path_factory.mktemp("lone"))
    with open_instance(farm.project().layout) as instance:
        graph = graph_of(farm.project(), instance)
        graph.observe()
        graph.run(graph.select("+feature_cache"), on_step=lambda _: None)
    return farm


def caches(farm):
    """Each fold's bytes."""
    files = (farm.folder / "artefacts/features").glob("*/fold_*.h5")
    return {path.name: path.read_bytes() for path in files}


def faults(farm):
    return [one for one in audit_project(farm.project()) if one.state.is_fault]


def check_photos(farm):
    """Every photo is held out once."""
    folds = pd.read_parquet(farm.folder / "artefacts/fold_assignment.parquet")
    assert sorted(folds["image_id"]) == sorted(name.removesuffix(".png") for name in farm.rows)


def test_of_two_commands_one_is_refused_and_told_who_is_at_work(tmp_path, lone):
    farm = build_farm(tmp_path)
    both = [command(farm), command(farm)]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    (refused,) = [text for process, text in zip(both, said, strict=True) if process.returncode == 1]
    assert "Traceback" not in refused
    words = " ".join(refused.split())
    assert re.search(rf"Another `biomass` command is running on \S+: {HOLDER}\. Wait", words), words
    assert caches(farm) == caches(lone)
    check_photos(farm)
    assert not faults(farm)


def test_a_command_beside_the_uis_run_embeds_each_photo_once(tmp_path, lone):
    farm = build_farm(tmp_path)
    with open_instance(farm.project().layout) as instance:
        graph = graph_of(farm.project(), instance)
        graph.observe()
        graph.run(graph.select("+patch_index"), on_step=lambda _: None)
    both = [servers_run(farm, fold="1"), command(farm, **pause_s(2))]
    said = [process.communicate(timeout=600)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert caches(farm) == caches(lone)
    assert embedded(farm.folder / "embedded.txt") == N_TILES
    with open_instance(farm.project().layout) as instance:
        runs = instance.get_runs()
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        assert not instance.event_log_storage.get_concurrency_info("gpu").claimed_slots
    assert not faults(farm)


def test_two_machines_on_one_folder_train_each_fold_once_and_damage_nothing(tmp_path, lone):
    farm = build_farm(tmp_path)
    both = [machine(farm, number, selection="+oof_predictions") for number in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n", process.stdout.read()
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=600)[0] for process in both]
    for process, text in zip(both, said, strict=True):
        assert "Traceback" not in text
        assert process.returncode == 0 or re.search(HOLDER, " ".join(text.split())), text
    # Whoever was refused goes on where the other one ended.
    last = machine(farm, 0, selection="+oof_predictions")
    text, _ = last.communicate("go\n", timeout=600)
    assert last.returncode == 0, text
    assert caches(farm) == caches(lone)
    check_photos(farm)
    pooled = pd.read_parquet(farm.folder / "artefacts/predictions/oof_predictions.parquet")
    assert not pooled.duplicated(["image_id", "model", "target"]).any()
    assert set(pooled["image_id"]) == {name.removesuffix(".png") for name in farm.rows}
    stamps = list((farm.folder / "artefacts/checkpoints").rglob(STAMP_NAME))
    assert len(stamps) == 3
    # Each machine remembers in a home of its own what it made; none is the project's.
    assert {one.name for one in faults(farm)} == {"dagster"}
