"""Every night: a look at everything that runs what is stale, and the clean-up of old runs."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)

from biomass_pipeline.errors import ConfigError
from biomass_pipeline.orchestration import Graph, build_definitions, build_resources, open_instance
from biomass_pipeline.orchestration.exclusion import exclusive
from biomass_pipeline.orchestration.schedules import build_schedules, is_automated
from biomass_pipeline_tests.farm import CountingBackbone, build_farm

NIGHT = datetime(2024, 5, 1, 2, tzinfo=UTC)


@pytest.fixture
def farm(tmp_path):
    return build_farm(tmp_path)


def requested(schedule, *, at=NIGHT):
    """What one tick asks for."""
    return schedule(dg.build_schedule_context(scheduled_execution_time=at))


class TestSwitches:
    def test_they_are_off_until_somebody_wants_them(self, farm):
        schedules = build_schedules(farm.project())
        assert [schedule.name for schedule in schedules] == ["nightly", "nightly_clean_up"]
        assert [schedule.job_name for schedule in schedules] == ["catch_up", "clean_up_runs"]
        assert {schedule.default_status.value for schedule in schedules} == {"STOPPED"}
        farm.write(
            automation={"enabled": True, "nightly": "30 3 * * *", "timezone": "Australia/Sydney"}
        )
        schedules = build_schedules(farm.project())
        assert {schedule.default_status.value for schedule in schedules} == {"RUNNING"}
        assert {schedule.cron_schedule for schedule in schedules} == {"30 3 * * *"}
        assert {schedule.execution_timezone for schedule in schedules} == {"Australia/Sydney"}

    def test_each_says_in_plain_words_what_it_does(self, farm):
        for schedule in build_schedules(farm.project()):
            assert len(schedule.description.split()) > 8

    def test_there_may_be_none(self, farm):
        farm.write(automation={"nightly": None})
        assert build_schedules(farm.project()) == []

    @pytest.mark.parametrize("wrong", [{"nightly": "at dawn"}, {"timezone": "Australia/Nowhere"}])
    def test_what_is_no_time_is_an_error_of_the_configuration(self, farm, wrong):
        farm.write(automation=wrong)
        with pytest.raises(ConfigError, match=r"automation\.nightly"):
            build_schedules(farm.project())

    @pytest.mark.parametrize(
        ("enabled", "switched", "expected"),
        [(False, None, False), (True, None, True), (False, True, True), (True, False, False)],
    )
    def test_somebodys_switch_wins_over_the_configuration(
        self, farm, tmp_path, enabled, switched, expected
    ):
        farm.write(automation={"enabled": enabled})
        project = farm.project()
        with open_instance(project.layout) as instance:
            if switched is not None:
                switch(instance, project, on=switched)
            assert is_automated(project, instance) is expected


def switch(instance, project, *, on):
    """As somebody does in the UI."""
    location = RegisteredCodeLocationOrigin("farm")
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(location, "__repository__"), "automation"
    )
    status = InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, status, SensorInstigatorData())
    )


class TestNightly:
    def test_a_night_is_asked_for_once_and_says_why(self, farm):
        nightly, clean_up = build_schedules(farm.project())
        request = requested(nightly)
        assert request.run_key == requested(nightly).run_key
        assert request.run_key != requested(nightly, at=NIGHT.replace(day=2)).run_key
        assert request.tags["biomass/cause"] == "the nightly look at everything"
        assert requested(clean_up).tags["biomass/cause"] == "the nightly clean-up"

    def test_with_the_photos_gone_nothing_runs_and_it_says_so(self, farm):
        (farm.folder / "photos").rename(farm.folder / "away")
        skipped = requested(build_schedules(farm.project())[0])
        assert isinstance(skipped, dg.SkipReason)
        assert "There is no photo folder" in skipped.skip_message


@pytest.mark.slow
class TestCatchUp:
    """The job itself, on a farm with real Dagster."""

    @pytest.fixture
    def night(self, farm):
        """Runs the job once; what it embedded and whether it ended well."""

        def run(**automation):
            farm.write(automation=automation)
            project, backbone = farm.project(), CountingBackbone()
            resources = build_resources(project) | {"backbone": backbone}
            defs = build_definitions(project, resources=resources)
            with open_instance(project.layout) as instance:
                job = defs.resolve_job_def("catch_up")
                result = job.execute_in_process(
                    instance=instance, raise_on_error=False, tags={"biomass/cause": "night"}
                )
                graph = Graph(defs, instance)
                stale = [v.node for v in graph.verdicts(graph.select()) if not v.fresh]
                causes = {run.tags.get("biomass/cause") for run in instance.get_runs()}
            return result, backbone.n_tiles, stale, causes

        return run

    def test_without_the_sensor_it_brings_everything_up_to_date(self, night, farm):
        result, n_tiles, stale, causes = night()
        assert result.success
        assert (n_tiles, stale) == (24, [])
        assert causes == {"night", "the nightly look at everything"}
        # A deleted cache is made again, and nothing else is embedded.
        for file in (farm.folder / "artefacts/features").glob("*/fold_1.h5"):
            file.unlink()
        result, n_tiles, stale, _ = night()
        assert result.success
        assert (n_tiles, stale) == (8, [])

    def test_with_the_sensor_it_only_looks(self, night):
        result, n_tiles, stale, causes = night(enabled=True)
        assert result.success
        assert n_tiles == 0
        assert stale
        assert len(causes) == 2

    def test_what_fails_fails_the_job_with_its_reason(self, night, farm):
        (farm.folder / "labels.csv").write_text("image_path,date,mass_g\ns0n0.png,x,-1\n")
        project = farm.project()
        result, *_ = night_without_writing(project)
        assert not result.success
        (failure,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
        assert "`image_manifest`" in failure.step_failure_data.error.message

    def test_a_command_at_work_is_waited_for(self, farm, monkeypatch):
        monkeypatch.setattr("biomass_pipeline.orchestration.schedules._WAIT_S", 0)
        project = farm.project()
        with open_instance(project.layout) as instance, exclusive(project.layout, instance):
            defs = build_definitions(project)
            job = defs.resolve_job_def("catch_up")
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            assert result.success
            assert len(instance.get_runs()) == 1


def night_without_writing(project):
    defs = build_definitions(project)
    with open_instance(project.layout) as instance:
        job = defs.resolve_job_def("catch_up")
        return [job.execute_in_process(instance=instance, raise_on_error=False)]
