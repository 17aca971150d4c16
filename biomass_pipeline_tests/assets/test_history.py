"""What the storage remembers, written and read back without a run."""

import dagster as dg
import pytest

from biomass_pipeline.assets.blueprint import SECONDS
from biomass_pipeline.assets.history import stages_of
from biomass_pipeline.reporting import StageRecord


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as storage:
        yield storage


def remember(instance, asset, part=None, **metadata):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset, partition=part, metadata=metadata)
    )


def test_the_latest_making_of_each_fold_is_told(instance):
    remember(instance, "feature_cache", "0", photos_embedded=9, photos_reused=0)
    remember(instance, "feature_cache", "1", photos_embedded=4, photos_reused=1)
    remember(instance, "feature_cache", "0", photos_embedded=0, photos_reused=9, **{SECONDS: 1.5})

    assert stages_of(instance, n_parts=2) == [
        StageRecord("feature_cache", "0", 1.5, computed=0, reused=9),
        StageRecord("feature_cache", "1", None, computed=4, reused=1),
    ]


def test_a_model_that_was_found_counts_as_reused(instance):
    remember(instance, "mil_checkpoint", "0", reused=True)
    remember(instance, "ridge_baseline", "0", reused=False)

    records = {record.stage: record for record in stages_of(instance, n_parts=1)}

    assert (records["mil_checkpoint"].computed, records["mil_checkpoint"].reused) == (0, 1)
    assert (records["ridge_baseline"].computed, records["ridge_baseline"].reused) == (1, 0)


def test_stages_are_in_the_order_of_the_graph(instance):
    for asset in ("evaluation", "label_table"):
        remember(instance, asset, **{SECONDS: 0.25})

    assert [record.stage for record in stages_of(instance, n_parts=1)] == [
        "label_table",
        "evaluation",
    ]


def test_a_storage_that_remembers_nothing_tells_nothing(instance):
    assert stages_of(instance, n_parts=5) == []
