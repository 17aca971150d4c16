"""The whole graph with everything in memory gives what it gives on disk."""

from contextlib import ExitStack
from dataclasses import dataclass

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.assets import CheckpointHandle
from biomass_pipeline.orchestration import Graph, InMemory
from biomass_pipeline.store import MemoryFeatures
from biomass_pipeline_tests.farm import CountingBackbone, Farm, build_farm, every, graph_of, run_all

MANAGERS = ("io_manager", "feature_handles", "model_handles", "documents")
UNPARTITIONED = [
    "image_manifest",
    "label_table",
    "fold_assignment",
    "oof_predictions",
    "evaluation",
    "report",
    "inference_features",
    "predictions",
    "submission",
]
BY_FOLD = ["patch_index", "feature_cache", "mil_checkpoint", "ridge_baseline", "fold_predictions"]
EVERYTHING = sorted([*UNPARTITIONED, *(name for asset in BY_FOLD for name in every(asset))])

pytestmark = pytest.mark.slow


def in_memory(farm, instance, *, backbone=None):
    """The graph with one memory for all tables, handles and documents."""
    memory = InMemory()
    seams = {**dict.fromkeys(MANAGERS, memory), "features": MemoryFeatures()}
    return graph_of(farm.project(), instance, backbone=backbone, **seams), memory


def on_disk(farm, instance, *, backbone=None):
    graph = graph_of(farm.project(), instance, backbone=backbone)
    return graph, graph.defs.resources["io_manager"]


@dataclass
class Finished:
    """A graph that ran once, what it ran, and where its tables are."""

    farm: Farm
    graph: Graph
    tables: object
    backbone: CountingBackbone
    ran: list[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The same farm, with a photo that has no label, in memory and on disk."""
    with ExitStack() as stack:
        found = {}
        for kept in (in_memory, on_disk):
            farm = build_farm(tmp_path_factory.mktemp(kept.__name__))
            farm.photo("new.png", 77)
            instance = stack.enter_context(dg.DagsterInstance.ephemeral())
            backbone = CountingBackbone()
            graph, tables = kept(farm, instance, backbone=backbone)
            found[kept] = Finished(farm, graph, tables, backbone, run_all(graph))
        yield found


@pytest.mark.parametrize("kept", [in_memory, on_disk])
def test_the_graph_runs_once_wherever_its_tables_are(finished, kept):
    here = finished[kept]
    assert here.ran == EVERYTHING
    assert here.backbone.n_tiles == 2 * (len(here.farm.rows) + 1)
    assert run_all(here.graph) == []
    oof = here.tables.read("oof_predictions", None)
    assert set(oof["image_id"]) == {name.removesuffix(".png") for name in here.farm.rows}


def test_memory_and_disk_give_equal_predictions(finished):
    for name in ("oof_predictions", "predictions"):
        one, other = (finished[kept].tables.read(name, None) for kept in (in_memory, on_disk))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert one["image_id"].tolist() == ["new"]


def test_in_memory_no_table_touches_the_disk(finished):
    farm, memory = finished[in_memory].farm, finished[in_memory].tables
    artefacts = farm.folder / "artefacts"
    written = {path.relative_to(artefacts).parts[0] for path in artefacts.rglob("*.*")}
    # Trained models are files by nature, and so are what is remembered of photos and folds.
    remembered = {".image_hashes.parquet", "fold_ledger.parquet", ".fold_ledger.lock"}
    assert written <= {"checkpoints", *remembered}
    assert isinstance(memory.read("mil_checkpoint", 0), CheckpointHandle)
    assert np.isfinite(memory.read("feature_cache", 0).load().features).all()
    assert memory.read("report", None).page.lstrip().lower().startswith("<!doctype html")
    assert memory.read("evaluation", None)["n_images"] == len(farm.rows)


def test_what_is_optional_runs_in_memory_too(tmp_path):
    farm = build_farm(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        graph, memory = in_memory(farm, instance)
        graph.observe()
        graph.run(graph.select("*"), on_step=lambda _: None)
        assert all(verdict.fresh for verdict in graph.verdicts(graph.select("*")))
    assert set(memory.read("protocols", None)["protocols"]) == {"group-k-fold-3", "random-3"}
    assert memory.read("tuning", None)["nested"]["n_images"] == len(farm.rows)
    assert len(memory.read("protocol_predictions", "random-3-seed-0")) == 5 * len(farm.rows)
