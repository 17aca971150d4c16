"""Stopped on purpose, by Ctrl-C or as an init system stops it: what was done is kept."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import biomass_pipeline
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.orchestration.slow_farm import LOG_VARIABLE, PAUSE_VARIABLE, embedded

ROOT = Path(biomass_pipeline.__file__).resolve().parents[1]
PROGRAM = "biomass_pipeline_tests.orchestration.slow_farm"
# 30 photos of two tiles in three folds, in batches of four tiles.
N_TILES, BATCH = 60, 4


def started(farm, log, *words, pause_s):
    return subprocess.Popen(
        [sys.executable, "-m", PROGRAM, "run", *words],
        env={
            **os.environ,
            "BIOMASS_CONFIG": str(farm.folder / "biomass.yaml"),
            LOG_VARIABLE: str(log),
            PAUSE_VARIABLE: str(pause_s),
            "OMP_NUM_THREADS": "1",
        },
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stopped(process, number, *, when, seconds=300):
    """Send a signal as soon as something is so; the exit code and what was said."""
    deadline = time.monotonic() + seconds
    while not when():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "nothing to stop"
        time.sleep(0.02)
    process.send_signal(number)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said


@pytest.mark.slow
def test_extraction_and_training_go_on_where_they_were_stopped(tmp_path):
    farm = build_farm(tmp_path, per_session=5)
    training = {"epochs": 300, "patience": 300}
    farm.write(training=training, compute={"checkpoint_every_epochs": 1, "device": "cpu"})
    log, layout = tmp_path / "embedded.txt", farm.project().layout

    extraction = started(farm, log, "--select", "+feature_cache", pause_s=0.2)
    code, said = stopped(extraction, signal.SIGTERM, when=lambda: embedded(log) >= 3 * BATCH)
    assert code == 130, said
    assert "the next `biomass run` goes on from it" in said
    done = embedded(log)
    assert done < N_TILES
    assert_nothing_is_held(layout)

    # The next run embeds the rest; what was in flight may be embedded twice.
    def training_is_under_way():
        return list(layout.root.glob("checkpoints/*/fold_0/seed_0.last.ckpt"))

    rest = started(farm, log, "--fold", "0", pause_s=0)
    code, said = stopped(rest, signal.SIGINT, when=training_is_under_way)
    assert code == 130, said
    assert N_TILES <= embedded(log) <= N_TILES + 2 * BATCH
    assert training_is_under_way()
    assert_nothing_is_held(layout)

    last = started(farm, log, "--select", "mil_checkpoint", "--fold", "0", pause_s=0)
    said, _ = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert embedded(log) <= N_TILES + 2 * BATCH
    assert any("goes on from epoch" in line for line in newest_log(layout))


def assert_nothing_is_held(layout):
    """Every run ended, and its place in the pool is free, without anybody clearing up."""
    with open_instance(layout) as instance:
        unfinished = [run for run in instance.get_runs() if not run.is_finished]
        assert not unfinished
        info = instance.event_log_storage.get_concurrency_info("gpu")
        assert not info.claimed_slots
        assert not info.pending_steps


def newest_log(layout):
    with open_instance(layout) as instance:
        run = instance.get_runs(limit=1)[0]
        return [entry.user_message for entry in instance.all_logs(run.run_id)]
