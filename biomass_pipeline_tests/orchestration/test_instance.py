"""Dagster's storage under the root: made once, and its settings are honoured."""

import pytest
import yaml

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "artefacts")


def settings_of(layout):
    return layout.dagster_home / "dagster.yaml"


def test_dagster_honours_what_the_file_says(layout):
    with open_instance(layout) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        # A failed asset has a reason that trying again does not mend.
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.root_directory == str(layout.dagster_home)
        pools = instance.get_concurrency_config().pool_config
        assert pools.default_pool_limit == 1
        assert pools.pool_granularity.value == "op"
        assert instance.event_log_storage.get_pool_config().default_pool_limit == 1


def test_a_pool_has_one_place(layout):
    with open_instance(layout) as instance:
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("gpu")
        assert storage.get_concurrency_info("gpu").slot_count == 1


def test_a_killed_step_gives_its_place_back(layout):
    with open_instance(layout) as instance:
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 60


def test_what_was_recorded_is_there_again(layout):
    with open_instance(layout) as instance:
        instance.add_dynamic_partitions("probe", ["a"])
    with open_instance(layout) as instance:
        assert instance.get_dynamic_partitions("probe") == ["a"]


def test_a_persons_settings_are_kept(layout):
    open_instance(layout).dispose()
    path = settings_of(layout)
    edited = yaml.safe_load(path.read_text()) | {
        "concurrency": {"pools": {"default_limit": 3, "granularity": "op"}}
    }
    path.write_text(yaml.safe_dump(edited))
    with open_instance(layout) as instance:
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 3
    assert yaml.safe_load(path.read_text()) == edited
    assert not list(path.parent.glob("*.partial"))
