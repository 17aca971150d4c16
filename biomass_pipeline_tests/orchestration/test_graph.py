"""The map of the graph, pinned: a new asset or arrow costs a line here."""

import dagster as dg
import pytest

from biomass_pipeline.config import load_config
from biomass_pipeline.orchestration import build_definitions
from biomass_pipeline.project import Project

EDGES = {
    "raw_images": set(),
    "raw_labels": set(),
    "training_config": set(),
    "image_manifest": {"raw_images", "raw_labels"},
    "label_table": {"image_manifest", "raw_labels"},
    "fold_assignment": {"label_table"},
    "patch_index": {"image_manifest", "fold_assignment"},
    "feature_cache": {"patch_index"},
    "mil_checkpoint": {"feature_cache", "label_table", "training_config"},
    "ridge_baseline": {"feature_cache", "label_table", "training_config"},
    "fold_predictions": {
        "mil_checkpoint",
        "ridge_baseline",
        "feature_cache",
        "label_table",
        "fold_assignment",
    },
    "oof_predictions": {"fold_predictions", "feature_cache", "label_table"},
    "evaluation": {"oof_predictions", "label_table"},
    "report": {
        "evaluation",
        "oof_predictions",
        "image_manifest",
        "feature_cache",
        "raw_labels",
        "training_config",
    },
}
BY_FOLD = {
    "patch_index",
    "feature_cache",
    "mil_checkpoint",
    "ridge_baseline",
    "fold_predictions",
}


@pytest.fixture(scope="module")
def defs():
    return build_definitions(Project(None, (), (), load_config(None)))


def test_the_graph_is_the_contracts(defs):
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert found == EDGES


def test_every_asset_has_a_group_a_kind_a_code_version_and_a_sentence(defs):
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.group_name != "default"
        assert node.kinds
        assert node.code_version
        assert node.description.endswith(".")


def test_folds_are_partitions_from_the_configuration(defs):
    graph = defs.resolve_asset_graph()
    partitioned = {
        key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned
    }
    assert partitioned == BY_FOLD
    keys = graph.get(dg.AssetKey("feature_cache")).partitions_def.get_partition_keys()
    assert keys == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("model", ["mil_checkpoint", "ridge_baseline"])
def test_model_k_reads_every_fold_but_k(defs, model):
    mapping = defs.resolve_asset_graph().get_partition_mapping(
        dg.AssetKey(model), dg.AssetKey("feature_cache")
    )
    graph = defs.resolve_asset_graph()
    for fold in "01234":
        upstream = graph.get_parent_partition_keys_for_child(
            fold, dg.AssetKey("feature_cache"), dg.AssetKey(model)
        ).partitions_subset.get_partition_keys()
        assert set(upstream) == set("01234") - {fold}
    assert isinstance(mapping, dg.StaticPartitionMapping)


def test_only_one_heavy_step_runs_at_a_time(defs):
    pools = {
        key.to_user_string(): defs.get_assets_def(key).op.pool
        for key in defs.resolve_asset_graph().materializable_asset_keys
    }
    assert {name for name, pool in pools.items() if pool == "gpu"} == {
        "feature_cache",
        "mil_checkpoint",
    }


def test_checks_guard_the_tables(defs):
    names = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert names == {
        "quarantine_below_limit",
        "no_group_straddles_folds",
        "features_are_finite",
        "each_photo_is_predicted_once",
    }


def code_version(override, asset):
    defs = build_definitions(Project(None, (), (), load_config(None, overrides=[override])))
    return defs.resolve_asset_graph().get(dg.AssetKey(asset)).code_version


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("name=other", {"report"}),
        ("tiling.border=even", {"patch_index", "feature_cache", "report"}),
        ("cache.dtype=float32", {"feature_cache", "report"}),
        ("folds.seed=3", {"fold_assignment", "report"}),
        ("data.images=elsewhere", {"report"}),
        ("data.quadrat_area_m2=1.0", {"evaluation", "report"}),
        ("evaluation.interval_level=0.8", {"fold_predictions", "evaluation", "report"}),
        ("training.learning_rate=0.1", set()),
        ("data.max_quarantined_fraction=0.5", {"label_table", "evaluation", "report"}),
        ("compute.batch_size=1", set()),
    ],
)
def test_a_code_version_changes_with_its_part_of_the_configuration_only(override, changed):
    assets = [name for name in EDGES if name not in {"raw_images", "raw_labels", "training_config"}]
    found = {
        name
        for name in assets
        if code_version(override, name) != code_version("compute.batch_size=4", name)
    }
    assert found == changed
