"""The map of the graph, pinned: a new asset or arrow costs a line here."""

import subprocess
import sys
from functools import cache

import dagster as dg
import pytest

from biomass_pipeline.config import load_config
from biomass_pipeline.orchestration import build_definitions
from biomass_pipeline.orchestration.jobs import OPTIONAL, SOURCES, STAGES, jobs
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
        "training_config",
    },
    "protocol_predictions": {"feature_cache", "label_table", "training_config"},
    "protocols": {"protocol_predictions", "label_table"},
    "tuning_study": {"feature_cache", "label_table", "training_config"},
    "tuning": {"tuning_study", "feature_cache", "label_table", "training_config"},
    "oof_predictions": {"fold_predictions", "feature_cache", "label_table"},
    "evaluation": {"oof_predictions", "label_table", "training_config"},
    "report": {
        "evaluation",
        "oof_predictions",
        "image_manifest",
        "label_table",
        "feature_cache",
        # Their networks draw the tile maps of the worst photos.
        "mil_checkpoint",
        "raw_labels",
        "training_config",
        # What is optional is shown when it is there.
        "protocols",
        "tuning",
    },
    "inference_features": {"image_manifest"},
    "predictions": {
        "mil_checkpoint",
        "ridge_baseline",
        "inference_features",
        "image_manifest",
        "training_config",
    },
    # The file that it follows is a part of the labels' version.
    "submission": {"predictions", "raw_labels"},
}
BY_FOLD = {
    "patch_index",
    "feature_cache",
    "mil_checkpoint",
    "ridge_baseline",
    "fold_predictions",
    "tuning_study",
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
    keys = {
        key.to_user_string(): graph.get(key).partitions_def.get_partition_keys()
        for key in graph.get_all_asset_keys()
        if graph.get(key).is_partitioned
    }
    protocols = keys.pop("protocol_predictions")
    assert keys == {name: ["0", "1", "2", "3", "4"] for name in BY_FOLD}
    assert protocols[:5] == [f"group-k-fold-5-seed-{seed}" for seed in range(5)]
    assert {"leave-out-State", "forward-4", "random-5-seed-0"} < set(protocols)


def test_a_study_and_a_protocol_read_every_fold(defs):
    """The fold's own photos only judge what its study found; the study itself never sees them."""
    graph, caches = defs.resolve_asset_graph(), dg.AssetKey("feature_cache")
    for asset, part in (("tuning_study", "2"), ("protocol_predictions", "forward-4")):
        upstream = graph.get_parent_partition_keys_for_child(part, caches, dg.AssetKey(asset))
        assert set(upstream.partitions_subset.get_partition_keys()) == set("01234")


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
        "inference_features",
        "mil_checkpoint",
        "protocol_predictions",
        "tuning_study",
        "tuning",
    }


def test_what_is_optional_is_off_the_way_from_photos_to_report():
    """Nothing but the report, and what is optional itself, waits for an optional asset."""
    optional = {asset for stage in OPTIONAL for asset in STAGES[stage]}
    assert optional == {"protocol_predictions", "protocols", "tuning_study", "tuning"}
    assert {name for name, parents in EDGES.items() if parents & optional} == {
        "protocols",
        "tuning",
        "report",
    }


def test_every_asset_is_made_by_one_job(defs):
    staged = [asset for assets in STAGES.values() for asset in assets]
    assert sorted([*staged, *SOURCES]) == sorted(EDGES)
    assert {job.name for job in jobs()} == {"observe", *STAGES}
    assert list(STAGES) == [
        *("prepare", "extract", "train", "validate", "tune", "evaluate", "predict")
    ]


@cache
def code_versions(override):
    """The code version of every asset under one override."""
    defs = build_definitions(Project(None, (), (), load_config(None, overrides=[override])))
    graph = defs.resolve_asset_graph()
    keys = graph.materializable_asset_keys
    return {key.to_user_string(): graph.get(key).code_version for key in keys}


JUDGED = {
    *("fold_predictions", "protocol_predictions", "protocols", "evaluation", "report"),
    "predictions",
}
CACHES = ("feature_cache", "inference_features")
PARSED = ("image_manifest", "label_table")
MODELS = ("mil_checkpoint", "ridge_baseline", "protocol_predictions", "tuning_study", "tuning")
SCORED = ("evaluation", "report")
# Which columns there are to leave out decides which protocols there are.
GROUPED = ("protocols", *SCORED)


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("name=other", {"report"}),
        ("tiling.border=even", {"patch_index", *CACHES, "report"}),
        ("cache.dtype=float32", {*CACHES, "report"}),
        ("folds.seed=3", {"fold_assignment", "report"}),
        ("data.images=elsewhere", {"report"}),
        ("data.quadrat_area_m2=1.0", {"evaluation", "predictions", "report"}),
        ("data.submission=test.csv", {"submission", "report"}),
        ("evaluation.interval_level=0.85", JUDGED),
        ("evaluation.n_draws=300", JUDGED),
        # A protocol's own content is decided by the key of its partition.
        ("evaluation.protocols.group_seeds=2", {"protocols"}),
        ("evaluation.protocols.n_networks=2", {"protocol_predictions"}),
        ("training.learning_rate=0.1", set()),
        ("training.model=ridge", set()),
        ("tuning.n_trials=3", {"tuning_study", "tuning"}),
        ("tuning.sampler=random", {"tuning_study", "tuning"}),
        ("tuning.timeout_s=60", set()),
        ("tuning.storage=sqlite:///elsewhere.sqlite3", set()),
        ("data.max_quarantined_fraction=0.5", {"label_table", "report"}),
        # What a label is, or the season of its photo, decides every model.
        ("data.date_column=Date", {*PARSED, *MODELS, *GROUPED}),
        ("data.group_columns=[State]", {*PARSED, "fold_assignment", *MODELS, *SCORED}),
        ("compute.batch_size=1", set()),
    ],
)
def test_a_code_version_changes_with_its_part_of_the_configuration_only(override, changed):
    before, after = code_versions("compute.batch_size=4"), code_versions(override)
    assert {name for name in before if after[name] != before[name]} == changed


def test_loading_the_graph_imports_nothing_that_trains_searches_or_draws():
    heavy = {"torch", "optuna", "sklearn", "altair", "pytorch_lightning", "matplotlib"}
    heavy |= {"scipy.stats", "scipy.optimize", "scipy.ndimage"}
    script = f"import sys, biomass_pipeline.definitions; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="."
    )
    assert done.stdout.strip() == "[]"
