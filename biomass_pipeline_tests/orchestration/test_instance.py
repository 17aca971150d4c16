"""Dagster's storage under the root: made once, and its settings are honoured."""

import subprocess
import sys

import dagster as dg
import pytest
import yaml

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.orchestration.instance import SETTINGS, upgraded

# As version 0.1.0 wrote it, before it was released.
EARLIER = """telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    default_limit: 1
    granularity: op
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 60
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
"""


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


def test_runs_are_limited_watched_and_ended(layout):
    with open_instance(layout) as instance:
        concurrency = instance.get_concurrency_config()
        assert concurrency.run_queue_config.max_concurrent_runs == 4
        assert concurrency.pool_config.op_granularity_run_buffer == 1
        # A run that waits for the device leaves the queue to others.
        assert concurrency.run_queue_config.should_block_op_concurrency_limited_runs
        assert instance.run_monitoring_max_runtime_seconds == 3 * 24 * 3600
        assert instance.run_monitoring_start_timeout_seconds == 300
        assert instance.run_monitoring_poll_interval_seconds == 30


def test_looks_are_forgotten_sooner_the_less_they_found(layout):
    kinds = dg._core.definitions.run_request.InstigatorType
    with open_instance(layout) as instance:
        for kind in (kinds.SENSOR, kinds.SCHEDULE, kinds.AUTO_MATERIALIZE):
            days = {s.value: d for s, d in instance.get_tick_retention_settings(kind).items()}
            assert days == {"SKIPPED": 2, "STARTED": 7, "SUCCESS": 90, "FAILURE": 90}


def test_what_steps_print_is_kept_for_servers_and_not_for_commands(layout):
    with open_instance(layout) as instance:
        assert type(instance.compute_log_manager).__name__ == "NoOpComputeLogManager"
    script = (
        "import dagster as dg; i = dg.DagsterInstance.get(); m = i.compute_log_manager; "
        "print(type(m).__name__, m._base_dir)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        env={"DAGSTER_HOME": str(layout.dagster_home.resolve())},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert shown == ["LocalComputeLogManager", str(layout.dagster_home.resolve() / "storage")]


def test_what_our_rooms_log_is_shown_with_the_run(layout):
    with open_instance(layout) as instance:
        assert instance.managed_python_loggers == ["biomass_pipeline"]
        assert instance.python_log_level == "INFO"


class TestUpgrade:
    def test_a_file_that_nobody_edited_becomes_todays(self):
        assert yaml.safe_load(upgraded(EARLIER)) == SETTINGS
        assert upgraded(EARLIER) == upgraded("")

    def test_todays_file_is_left_alone(self):
        assert upgraded(upgraded("")) == upgraded("")

    def test_an_edited_file_keeps_every_line_and_gets_the_sections_it_lacks(self):
        edited = EARLIER.replace("default_limit: 1", "default_limit: 2  # two cards")
        text = upgraded(edited)
        assert text.startswith(edited.rstrip())
        found = yaml.safe_load(text)
        assert found["concurrency"] == {"pools": {"default_limit": 2, "granularity": "op"}}
        assert found["retention"] == SETTINGS["retention"]
        assert "# Added by biomass-pipeline" in text
        assert upgraded(text) == text

    def test_an_emptied_section_stays_empty(self):
        found = yaml.safe_load(upgraded(EARLIER + "retention: {}\npython_logs: {}\n"))
        assert (found["retention"], found["python_logs"]) == ({}, {})

    def test_what_dagster_refuses_together_is_not_added(self, layout):
        queue = "run_queue:\n  max_concurrent_runs: 2\n"
        assert "concurrency" not in yaml.safe_load(upgraded(queue))
        layout.dagster_home.mkdir(parents=True)
        settings_of(layout).write_text(queue)
        with open_instance(layout) as instance:
            queue_config = instance.get_concurrency_config().run_queue_config
            assert queue_config.max_concurrent_runs == 2
            assert instance.run_retries_enabled

    def test_an_earlier_projects_file_is_upgraded_where_it_lies(self, layout):
        layout.dagster_home.mkdir(parents=True)
        settings_of(layout).write_text(EARLIER)
        with open_instance(layout) as instance:
            assert instance.run_monitoring_max_runtime_seconds == 3 * 24 * 3600
        assert yaml.safe_load(settings_of(layout).read_text()) == SETTINGS
