"""Validation and tuning are off the way: nothing waits for them, and what they decide is small."""

import json
import shutil

import dagster as dg
import pandas as pd
import pytest

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import Node, open_instance
from biomass_pipeline_tests.farm import PROTOCOLS, Farm, every, graph_of, run_all

GROUPED, RANDOM = "group-k-fold-3-seed-0", "random-3-seed-0"
VALIDATE = [
    Node("protocol_predictions", GROUPED),
    Node("protocol_predictions", RANDOM),
    Node("protocols"),
]
TUNE = [*(Node("tuning_study", str(fold)) for fold in range(3)), Node("tuning")]
OPTIONAL = {*VALIDATE, *TUNE}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template(first_run):
    """A farm on which everything ran but what is optional."""
    return first_run[0]


@pytest.fixture(scope="module")
def whole_template(template, tmp_path_factory):
    """The same, validated and tuned as well."""
    farm = copied(template, tmp_path_factory.mktemp("whole"))
    return ran(farm, "+protocols or +tuning or +report")


@pytest.fixture
def done(template, tmp_path):
    return copied(template, tmp_path)


@pytest.fixture
def whole(whole_template, tmp_path):
    return copied(whole_template, tmp_path)


@pytest.fixture
def instance(tmp_path):
    with open_instance(Layout(tmp_path / "artefacts")) as instance:
        yield instance


def ran(farm, selection=None):
    with open_instance(farm.project().layout) as instance:
        graph = graph_of(farm.project(), instance)
        graph.observe()
        graph.run(graph.select(selection), on_step=lambda _: None)
    return farm


def copied(farm, folder):
    shutil.copytree(farm.folder, folder, dirs_exist_ok=True)
    return Farm(folder, dict(farm.rows))


def observed(farm, instance):
    graph = graph_of(farm.project(), instance)
    graph.observe()
    return graph


def states(graph, selection="*"):
    """What is missing or stale, with the reasons."""
    verdicts = graph.verdicts(graph.select(selection))
    return {str(v.node): v.reasons for v in verdicts if not v.fresh}


def run(graph, selection):
    done = graph.run(graph.select(selection), on_step=lambda _: None)
    return [str(node) for node in done]


class TestTheReport:
    def test_it_is_fresh_while_nothing_optional_was_ever_made(self, done, instance):
        graph = observed(done, instance)
        assert states(graph) == {str(node): ("never materialized",) for node in OPTIONAL}
        assert graph.optional_verdicts() == []
        assert run_all(graph) == []

    @pytest.mark.parametrize(("made", "asset"), [(VALIDATE, "protocols"), (TUNE, "tuning")])
    def test_it_is_stale_after_they_are_made_and_fresh_again_after(
        self, done, instance, made, asset
    ):
        graph = observed(done, instance)
        before = (done.folder / "artefacts/report/report.html").read_text(encoding="utf-8")
        assert run(graph, f"+{asset}") == [str(node) for node in made]
        assert set(states(graph)) == {str(n) for n in OPTIONAL if n not in made} | {"report"}
        assert states(graph)["report"] == (f"{asset} changed",)
        assert run_all(graph) == ["report"]
        assert run_all(graph) == []
        after = (done.folder / "artefacts/report/report.html").read_text(encoding="utf-8")
        assert len(after) > len(before)


class TestProtocols:
    def test_another_seed_is_another_partition_and_their_comparison(self, whole, instance):
        assert states(observed(whole, instance)) == {}
        whole.write(evaluation={"protocols": PROTOCOLS | {"group_seeds": 2}})
        graph = observed(whole, instance)
        new = "protocol_predictions[group-k-fold-3-seed-1]"
        changed = ("its code or its part of the configuration changed",)
        assert states(graph) == {new: ("never materialized",), "protocols": changed}
        # A report shows what there is, and waits for nothing.
        assert run_all(graph) == []
        assert run(graph, "+protocols or +report") == [new, "protocols", "report"]
        assert states(graph) == {}
        assert self.repeats(whole) == 2

    def test_one_seed_fewer_leaves_it_out(self, whole, instance):
        whole.write(evaluation={"protocols": PROTOCOLS | {"random_seeds": 0}})
        graph = observed(whole, instance)
        assert run(graph, "+protocols or +report") == ["protocols", "report"]
        assert self.kinds(whole) == {"grouped"}

    def told(self, farm):
        text = (farm.folder / "artefacts/evaluation/protocols.json").read_text(encoding="utf-8")
        return json.loads(text)["protocols"].values()

    def repeats(self, farm):
        (family,) = [family for family in self.told(farm) if family["kind"] == "grouped"]
        return len(family["keys"])

    def kinds(self, farm):
        return {family["kind"] for family in self.told(farm)}


class TestSettings:
    def test_those_of_the_ridge_retrain_no_network(self, whole, instance):
        networks = checkpoints(whole, "mil_checkpoint")
        whole.write(training={"ridge": {"poolings": ["max"], "alphas": [1.0]}})
        graph = observed(whole, instance)
        ran = run_all(graph)
        assert {*every("ridge_baseline"), *every("fold_predictions"), "report"} <= {*ran}
        assert checkpoints(whole, "mil_checkpoint") == networks
        assert all(reused(instance, "mil_checkpoint").values())
        assert not any(reused(instance, "ridge_baseline").values())
        assert run_all(graph) == []

    def test_the_learning_rate_refits_no_ridge(self, whole, instance):
        ridges = checkpoints(whole, "ridge_baseline")
        whole.write(training={"learning_rate": 0.02})
        graph = observed(whole, instance)
        run_all(graph)
        assert checkpoints(whole, "ridge_baseline") == ridges
        assert all(reused(instance, "ridge_baseline").values())
        assert not any(reused(instance, "mil_checkpoint").values())
        # What is optional is stale now, and left alone.
        parts = {str(node) for node in OPTIONAL if node.fold is not None}
        assert set(states(graph)) == {*parts, "tuning"}
        told = {str(verdict.node) for verdict in graph.optional_verdicts() if not verdict.fresh}
        assert told == {*parts, "tuning"}


def checkpoints(farm, asset):
    """What the pointer of each fold says, and when its models were written."""
    layout = farm.project().layout
    found = {}
    for fold in range(3):
        text = layout.checkpoint_pointer(asset, fold).read_text(encoding="utf-8")
        folder = layout.checkpoint(json.loads(text)["fingerprint"], fold)
        found[fold] = text, {path.name: path.stat().st_mtime_ns for path in folder.glob("*.*")}
        # It says what is there, and is written again when that was found to be whole.
        found[fold][1].pop("stamp.json", None)
    return found


def reused(instance, asset):
    """Whether each fold's latest materialization found its models."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=3).records
    return {
        record.partition_key: record.asset_materialization.metadata["reused"].value
        for record in records
    }


def test_a_study_ends_in_the_folders_of_its_fold_and_a_recommendation(whole):
    artefacts = whole.folder / "artefacts"
    assert (artefacts / "tuning/studies.sqlite3").exists()
    tables = [pd.read_parquet(path) for path in (artefacts / "tuning/tuning_study").iterdir()]
    assert set(pd.concat(tables)["image_id"]) == {name.removesuffix(".png") for name in whole.rows}
    assert "training" in (artefacts / "tuning/best.yaml").read_text(encoding="utf-8")
