"""An asset of one's own is tested in a few lines, and so is each of ours, from memory alone."""

import dagster as dg
import pandas as pd
import pytest

from biomass_pipeline.assets import CheckpointHandle
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.orchestration import Node
from biomass_pipeline.orchestration.staleness import nodes
from biomass_pipeline.reporting import Report
from biomass_pipeline.store import Cache
from biomass_pipeline.testing import tiny_project


@dg.asset
def heaviest_photo(oof_predictions: pd.DataFrame) -> str:
    """A user's asset on top of ours."""
    return oof_predictions.set_index("image_id")["y_pred"].idxmax()


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["0", "1", "2"]))
def photos_held_out(patch_index: dict[int, pd.DataFrame]) -> int:
    """A user's asset a fold."""
    (tiles,) = patch_index.values()
    return tiles["image_id"].nunique()


@dg.asset(ins={"patch_index": dg.AssetIn(partition_mapping=dg.AllPartitionMapping())})
def all_photos(patch_index: dict[int, pd.DataFrame]) -> int:
    """A user's asset that reads every fold."""
    return sum(tiles["image_id"].nunique() for tiles in patch_index.values())


def test_an_asset_of_a_user_reads_what_was_put(tmp_path):
    project = tiny_project(tmp_path)
    table = pd.DataFrame({"image_id": ["a", "b"], "y_pred": [1.0, 2.0]})
    project.put("oof_predictions", table)
    assert project.materialize(heaviest_photo).success
    assert project.read("heaviest_photo") == "b"


def test_what_was_neither_put_nor_run_is_named(tmp_path):
    with pytest.raises(BiomassError, match="oof_predictions"):
        tiny_project(tmp_path).materialize(heaviest_photo)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Our whole graph, run once in memory, with what is optional."""
    project = tiny_project(tmp_path_factory.mktemp("tiny"))
    assert len(project.run("*")) == len(nodes(project.definitions()))
    return project


@pytest.mark.slow
def test_assets_of_a_user_read_a_fold_or_all_of_them(whole):
    whole.materialize(photos_held_out, partition_key="1")
    whole.materialize(all_photos)
    assert whole.read("photos_held_out", part=1) == 4
    assert whole.read("all_photos") == 12


@pytest.mark.slow
def test_nothing_is_stale_after_a_run_and_a_photo_stales_what_it_decides(whole):
    assert whole.run() == []
    before = whole.backbone.n_tiles
    whole.survey.photo("s0n0.png", 255, blue=200)
    ran = whole.run("feature_cache")
    assert "image_manifest" not in ran  # it was not asked for
    assert "image_manifest" in whole.run()
    assert whole.backbone.n_tiles == before + 2
    whole.run("*")
    assert whole.run("*") == []


def ours(project):
    """Every asset with its first fold or protocol."""
    found = {}
    for node in nodes(project.definitions()):
        found.setdefault(node.asset, node.fold)
    return [Node(name, part) for name, part in found.items()]


@pytest.mark.slow
def test_each_of_our_assets_alone_gives_from_memory_what_the_graph_gave(whole):
    assets = {a.key.to_user_string(): a for a in whole.definitions().assets}
    for node in ours(whole):
        part = None if node.fold is None else int(node.fold) if node.fold.isdigit() else node.fold
        before = whole.read(node.asset, part=part)
        done = whole.materialize(assets[node.asset], partition_key=node.fold)
        assert done.success, node
        assert same(before, whole.read(node.asset, part=part)), node


def same(one, other):
    if isinstance(one, pd.DataFrame):
        return one.equals(other)
    if isinstance(one, Cache):
        return bool((one.load().features == other.load().features).all())
    if isinstance(one, Report):
        differing = {k for k, v in one.beside().items() if v != other.beside().get(k)}
        # It says how long each stage took.
        return one.beside().keys() == other.beside().keys() and differing <= {"report.md"}
    assert isinstance(one, str | dict | CheckpointHandle)
    return one == other
