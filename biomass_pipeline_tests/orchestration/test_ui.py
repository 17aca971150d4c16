"""The UI, driven as a browser drives it: real server and daemon processes, asked over GraphQL."""

import csv
import os
import time

import pytest

from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.orchestration.jobs import OPTIONAL, SOURCES, STAGES
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.serving import (
    COMMAND_LINE,
    REPOSITORY_ROOT,
    Servers,
    free_port,
    served,
)

# Off the way to the report: nobody materializes them here.
ASKED_FOR = {name for stage in OPTIONAL for name in STAGES[stage]}

pytestmark = pytest.mark.slow

FOLDS = ["0", "1"]
# A backfill is looked at every 30 s; this one wait is cut short, the rest is the daemon's own.
QUICK_DAEMON = """
from dagster._daemon import controller
controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 1
from dagster._daemon.cli import main
main()
"""


class Ui(Servers):
    """Servers that answer GraphQL, and what a person does with them."""

    def launch(self, job):
        """Run a job and wait for it."""
        parameters = {
            "selector": {
                "repositoryLocationName": self.location()["name"],
                "repositoryName": "__repository__",
                "jobName": job,
            },
            "runConfigData": {},
        }
        launched = self.ask(LAUNCH, parameters=parameters)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched

        def ended():
            run = self.ask(RUN, id=launched["run"]["runId"])["runOrError"]
            return run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} and run["status"]

        assert self.wait(ended, seconds=120, what=f"end of {job}") == "SUCCESS"

    def backfill(self, assets, partitions):
        """Materialize assets over a range of folds and wait for it."""
        keys = [{"path": [name]} for name in assets]
        parameters = {"assetSelection": keys, "partitionNames": partitions}
        launched = self.ask(BACKFILL, parameters=parameters)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched

        def ended():
            found = self.ask(BACKFILL_STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
            return found["status"] not in {"REQUESTED", "COMPLETING"} and found["status"]

        assert self.wait(ended, seconds=240, what="end of the backfill") == "COMPLETED_SUCCESS"

    def daemons(self):
        """The kinds of daemon there have to be, once all of them are well; else None."""
        found = self.ask(HEALTH)["instance"]["daemonHealth"]["allDaemonStatuses"]
        required = [status for status in found if status["required"]]
        well = all(status["healthy"] for status in required)
        return {status["daemonType"] for status in required} if well else None

    def assets(self):
        """What the asset pages show, by name."""
        nodes = self.ask(ASSETS)["assetNodes"]
        return {node["assetKey"]["path"][0]: node for node in nodes}

    def status(self):
        """FRESH, STALE or MISSING by asset, or by asset and fold."""
        found = {}
        for name, node in self.assets().items():
            if name in ASKED_FOR:
                continue
            if not node["isPartitioned"]:
                found[name] = node["staleStatus"]
                continue
            by_fold = self.ask(BY_FOLD, key={"path": [name]})["assetNodeOrError"]
            for fold, status in zip(FOLDS, by_fold["staleStatusByPartition"], strict=True):
                found[f"{name}[{fold}]"] = status
        return found

    def stale(self):
        """What is not fresh."""
        return {name for name, status in self.status().items() if status != "FRESH"}


LAUNCH = """mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
RUN = "query ($id: ID!) {runOrError(runId: $id) {... on Run {status}}}"
BACKFILL = """mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""
BACKFILL_STATUS = """query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) {... on PartitionBackfill {status}}}"""
ASSETS = """{assetNodes {
  assetKey {path} groupName description kinds isPartitioned staleStatus
  assetPartitionStatuses {... on DefaultPartitionStatuses {
    materializedPartitions failedPartitions}}
  assetMaterializations(limit: 1) {metadataEntries {label}}}}"""
HEALTH = """{instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}}"""
BY_FOLD = """query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {... on AssetNode {staleStatusByPartition}}}"""


def tiny_farm(folder):
    farm = build_farm(folder, n_sessions=4)
    # The servers build the configured backbone: the smallest one that needs no weights.
    farm.write(
        backbone={"name": "colour-texture"},
        folds={"n_folds": len(FOLDS)},
        compute={"device": "cpu"},
    )
    return farm


def test_the_command_serves_the_graph(tmp_path):
    farm, port = tiny_farm(tmp_path), free_port()
    command = ["-c", COMMAND_LINE, "ui", "--port", str(port)]
    environment = {"BIOMASS_CONFIG": str(farm.folder / "biomass.yaml")}
    with served(tmp_path, command, port=port, environment=environment) as servers:
        ui = Ui(**vars(servers))
        location = ui.wait(ui.location, seconds=90, what="code location")
        assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation"
        assets = ui.assets()
        assert {*SOURCES} | {name for stage in STAGES.values() for name in stage} == set(assets)
        for name, node in assets.items():
            assert (node["description"] or "").endswith("."), name
            assert node["groupName"] != "default", name
            assert node["kinds"] or name in SOURCES, name
        # The daemon is started as well, or nothing would run by itself.
        running = ui.wait(ui.daemons, seconds=60, what="daemon")
        assert {"SCHEDULER", "SENSOR", "BACKFILL", "QUEUED_RUN_COORDINATOR"} <= running


@pytest.fixture
def farm(tmp_path):
    """Photos of a minute ago: younger ones count as still being written."""
    farm = tiny_farm(tmp_path)
    for name in farm.rows:
        past_s = time.time() - 60
        os.utime(farm.folder / "photos" / name, (past_s, past_s))
    return farm


@pytest.fixture
def ui(farm):
    layout, port = farm.project().layout, free_port()
    open_instance(layout).dispose()
    workspace = ["-w", str(REPOSITORY_ROOT / "workspace.yaml")]
    server = ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *workspace]
    daemon = ["-c", QUICK_DAEMON, "run", *workspace]
    environment = {
        "BIOMASS_CONFIG": str(farm.folder / "biomass.yaml"),
        "DAGSTER_HOME": str(layout.dagster_home),
    }
    with served(farm.folder, server, daemon, port=port, environment=environment) as servers:
        ui = Ui(**vars(servers))
        ui.wait(ui.location, seconds=90, what="code location")
        yield ui


def test_two_ranges_materialize_the_graph_and_an_edited_label_is_marked(farm, ui):
    ui.launch("observe")
    ui.backfill([*STAGES["prepare"], *STAGES["extract"]], FOLDS)
    # The networks of one fold need the caches of the others, which are there now.
    ui.backfill([*STAGES["train"], *STAGES["evaluate"]], FOLDS)
    ui.launch("predict")
    check_everything_is_materialized(farm, ui)

    ui.launch("observe")
    assert not ui.stale()

    edit_label(farm, "s0n0.png", "9.9")
    ui.launch("observe")
    # One hop at a time: what lies behind is marked once the table is known to differ.
    assert ui.stale() == {"image_manifest", "label_table", "report", "submission"}
    ui.launch("prepare")
    models = {"mil_checkpoint", "ridge_baseline", "fold_predictions"}
    assert ui.stale() == {
        "oof_predictions",
        "evaluation",
        "report",
        "submission",
        *(f"{name}[{fold}]" for name in models for fold in FOLDS),
    }


def check_everything_is_materialized(farm, ui):
    for name, node in ui.assets().items():
        if node["isPartitioned"] and name not in ASKED_FOR:
            partitions = node["assetPartitionStatuses"]
            assert partitions["materializedPartitions"] == FOLDS, name
            assert not partitions["failedPartitions"], name
    assert set(ui.status().values()) == {"FRESH"}
    layout = farm.project().layout
    assert layout.report.exists()
    assert layout.table("oof_predictions").exists()


def edit_label(farm, name, mass_g):
    path = farm.folder / "labels.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    rows = [[*row[:-1], mass_g] if row[0] == name else row for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
