"""The UI in a real browser: one fold's features and a model by clicking, and an edited label."""

import pytest

from biomass_pipeline.orchestration import Graph, Node, build_definitions, open_instance
from biomass_pipeline.orchestration.jobs import STAGES
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.serving import COMMAND_LINE, free_port, served

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

# It takes ten on a machine of its own.
START_S = 300

STATES = """{assetNodes {assetKey {path} isPartitioned staleStatus}}"""
STATES_BY_FOLD = """query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {... on AssetNode {staleStatusByPartition}}}"""


@pytest.fixture
def farm(tmp_path):
    """Two folds of two dates each; photos and labels are tables already, and fold 1 is in tiles."""
    farm = build_farm(tmp_path, n_sessions=4)
    farm.write(
        # The smallest backbone that needs no weights: the server builds it.
        backbone={"name": "colour-texture"},
        folds={"n_folds": 2},
        compute={"device": "cpu"},
    )
    project = farm.project()
    with open_instance(project.layout) as instance:
        graph = Graph(build_definitions(project), instance)
        graph.observe()
        known = [*map(Node, STAGES["prepare"]), Node("patch_index", "1")]
        graph.run(known, on_step=lambda _: None)
    return farm


def stale(servers):
    """The assets that are stale as a whole or in a fold; what was never made is not stale."""
    found = set()
    for node in servers.ask(STATES)["assetNodes"]:
        states = [node["staleStatus"]]
        if node["isPartitioned"]:
            asset = servers.ask(STATES_BY_FOLD, key=node["assetKey"])["assetNodeOrError"]
            states = asset["staleStatusByPartition"]
        if "STALE" in states:
            found.add(node["assetKey"]["path"][0])
    return found


def test_a_fold_is_made_by_clicking_and_an_edited_label_marks_exactly_two_assets(
    farm, visit, tmp_path
):
    port = free_port()
    command = ["-c", COMMAND_LINE, "ui", "--port", str(port)]
    environment = {"BIOMASS_CONFIG": str(farm.folder / "biomass.yaml")}
    with served(tmp_path, command, port=port, environment=environment) as servers:
        servers.wait(servers.location, seconds=START_S, what="code location")
        with visit(servers) as visitor:
            the_graph_is_there(visitor)
            # The network of fold 0 learns from the features of fold 1.
            materialize(visitor, "feature_cache", fold=1)
            materialize(visitor, "mil_checkpoint", fold=0)
            the_training_is_drawn(visitor)
            assert not stale(servers)
            correct_a_label(farm, visitor)
            assert stale(servers) == {"image_manifest", "label_table"}
            the_two_are_marked_with_the_reason(visitor)


def the_graph_is_there(visitor):
    visitor.graph("sources", "door")
    for asset in ("raw_images", "image_manifest", "label_table", "fold_assignment"):
        visitor.see(asset)
    visitor.photograph("graph")


def materialize(visitor, asset, *, fold):
    visitor.partition(asset, fold)
    visitor.press("Materialize")
    visitor.press("Launch 1 run")
    visitor.run_ends_well()
    visitor.partition(asset, fold)
    visitor.see("made_of")
    visitor.photograph(asset)


def the_training_is_drawn(visitor):
    line = visitor.page.get_by_role("row").filter(
        has=visitor.page.get_by_text("training", exact=True)
    )
    line.get_by_text("[Show Markdown]").click()
    picture = visitor.page.get_by_role("dialog").locator("img")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    visitor.photograph("training")


def correct_a_label(farm, visitor):
    file = farm.folder / "labels.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    edited = [f"{line.rpartition(',')[0]},9.9" if "s0n0" in line else line for line in lines]
    assert edited != lines
    file.write_text("\n".join(edited) + "\n", encoding="utf-8")
    visitor.open("/assets/raw_labels")
    visitor.press("Observe")
    visitor.run_ends_well()


def the_two_are_marked_with_the_reason(visitor):
    for asset in ("image_manifest", "label_table"):
        visitor.open(f"/assets/{asset}")
        visitor.see("Unsynced", exact=False).hover()
        visitor.see("has a new data version")
        visitor.photograph(f"unsynced-{asset}")
    visitor.open("/assets/fold_assignment")
    visitor.see("made_of")
    assert visitor.page.get_by_text("Unsynced", exact=False).count() == 0
    visitor.graph("door")
    visitor.see("fold_assignment")
    visitor.photograph("graph-unsynced")
