"""One word in the configuration moves an extraction to a cluster, and not one bit of its result."""

import dagster as dg
import h5py
import numpy as np
import pytest

from biomass_pipeline.orchestration import Graph, build_definitions
from biomass_pipeline.project import Project
from biomass_pipeline_tests.farm import build_farm

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


def datasets(farm, engine, folder):
    overrides = (f"root=artefacts-{engine}", f"compute.engine={engine}")
    project = Project.open(farm.folder / "biomass.yaml", overrides=overrides, environment={})
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        graph = Graph(build_definitions(project), instance)
        graph.observe()
        graph.run(graph.select("+feature_cache", fold=0), on_step=lambda _: None)
    (path,) = project.layout.root.glob("features/*/fold_0.h5")
    with h5py.File(path) as file:
        return {name: np.asarray(file[name]).tobytes() for name in file}


def test_a_cluster_gives_the_bytes_of_this_machine(tmp_path):
    farm = build_farm(tmp_path, n_sessions=3)
    farm.write(
        backbone={"name": "colour-texture"},
        compute={"device": "cpu", "ray": {"actors": 1, "cpus_per_actor": 0.5}},
    )
    here = datasets(farm, "local", tmp_path)
    there = datasets(farm, "ray", tmp_path)
    assert here["features"]
    assert there == here
