"""Steps in processes of their own: a small real run under each start method, and never a fork."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import biomass_pipeline
from biomass_pipeline.config import ComputeConfig
from biomass_pipeline.orchestration.executors import PRELOADED, executor_of
from biomass_pipeline_tests.farm import build_farm

ROOT = Path(biomass_pipeline.__file__).resolve().parents[1]
# As a server's run does it: the graph is loaded by its module, in a process that embeds nothing.
PROGRAM = """
import json, os, sys
import dagster as dg
from biomass_pipeline.orchestration import build_definitions, open_instance
from biomass_pipeline.project import Project

def job(name, executor):
    project = Project.open(overrides=(f"compute.executor={executor}",))
    return build_definitions(project).resolve_job_def(name)

def forkserver(): return job("extract", "forkserver")
def spawn(): return job("extract", "spawn")
def loaded(): return sorted({"torch", "pytorch_lightning"} & set(sys.modules))

def embed(instance, extract, fold):
    with dg.execute_job(
        dg.reconstructable(extract),
        instance=instance,
        tags={"dagster/partition": fold},
        asset_selection=[dg.AssetKey("feature_cache")],
    ) as result:
        workers = [e for e in result.all_events if e.event_type_value == "STEP_WORKER_STARTED"]
        return result.success, [e.engine_event_data.metadata["pid"].text for e in workers]

if __name__ == "__main__":
    with open_instance(Project.open().layout) as instance:
        jobs = {"observe": [None], "prepare": [None], "extract": ["0", "1"]}
        for name, fold in [(name, fold) for name, folds in jobs.items() for fold in folds]:
            tiles = [dg.AssetKey("patch_index")] if fold else None
            job(name, "in_process").execute_in_process(
                instance=instance, partition_key=fold, asset_selection=tiles
            )
        runs = [embed(instance, forkserver, "0"), embed(instance, spawn, "1")]
    print(json.dumps({"runs": runs, "loaded": loaded(), "parent": str(os.getpid())}))
"""


def test_steps_work_in_the_process_of_their_run_unless_it_is_asked_otherwise():
    assert executor_of(ComputeConfig()).name == "in_process"
    assert executor_of(ComputeConfig(executor="spawn")).name == "spawn"
    with pytest.raises(ValueError, match="executor"):
        ComputeConfig(executor="fork")


def test_what_is_forked_from_has_loaded_the_graph_and_nothing_that_cannot_be_forked():
    """Torch's threads and CUDA's context do not survive a fork."""
    script = (
        f"import {', '.join(PRELOADED)}; import sys, threading; "
        "print(sorted({'torch', 'pytorch_lightning', 'optuna', 'ray'} & set(sys.modules)), "
        "threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["[]", "1"]


@pytest.mark.slow
def test_under_each_start_method_photos_are_embedded_in_another_process(tmp_path):
    farm = build_farm(tmp_path)
    farm.write(backbone={"name": "colour-texture"}, compute={"device": "cpu"})
    program = tmp_path / "steps.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program)],
        env={
            **os.environ,
            "BIOMASS_CONFIG": str(tmp_path / "biomass.yaml"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    workers = [pid for success, pids in told["runs"] for pid in pids if success]
    assert len({told["parent"], *workers}) == 3
    for fold in (0, 1):
        assert list((tmp_path / "artefacts").glob(f"features/*/fold_{fold}.h5"))
    # The parent never loaded torch: it had no device and no thread that a child could inherit.
    assert told["loaded"] == []
