"""A failed run is told of: what, where, why, and where its log is."""

import dagster as dg
import pytest

from biomass_pipeline.errors import TooManyQuarantinedError
from biomass_pipeline.orchestration.exclusion import COMMAND_TAGS
from biomass_pipeline.orchestration.postmortem import first_sentence
from biomass_pipeline.orchestration.sensors import failed_runs_sensor
from biomass_pipeline_tests.farm import build_farm
from biomass_pipeline_tests.notices.servers import webhook_server
from biomass_pipeline_tests.orchestration.ticking import CAUSE, storage


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with storage(tmp_path_factory.mktemp("home")) as instance:
        yield instance


@pytest.fixture
def farm(tmp_path):
    return build_farm(tmp_path, n_sessions=3)


@dg.op
def spill():
    raise ValueError("the bucket has a hole. Dear Liza.\nsecond line")


@dg.op
def refuse():
    raise TooManyQuarantinedError(quarantined=3, total=9, limit=0.1, reasons=[("empty file", 3)])


@dg.op
def pour():
    """Works."""


@dg.job(partitions_def=dg.StaticPartitionsDefinition(["2"]))
def spilling():
    pour()
    spill()


@dg.job
def refusing():
    refuse()


class TestFailedRuns:
    @pytest.fixture
    def told(self, farm, instance):
        """What the sensor sends of a run of a job, and what it returns."""

        def tell(job, *, tags=None, **options):
            result = job.execute_in_process(
                instance=instance, raise_on_error=False, tags=tags or {}, **options
            )
            run = instance.get_run_by_id(result.run_id)
            with webhook_server() as received:
                farm.write(automation={"notify": {"webhook": received.url}})
                sensor = failed_runs_sensor(farm.project())
                context = dg.build_run_status_sensor_context(
                    sensor_name=sensor.name,
                    dagster_instance=instance,
                    dagster_run=run,
                    dagster_event=result.get_run_failure_event(),
                ).for_run_failure()
                skipped = sensor(context)
            return [content for _, _, content in received.messages], skipped

        return tell

    def test_it_tells_what_failed_where_and_why_and_where_the_log_is(self, told, farm):
        (content,), skipped = told(spilling, partition_key="2", tags={CAUSE: "3 photos arrived"})
        assert skipped is None
        assert content["title"] == "`spill` of fold 2 failed"
        assert content["level"] == "error"
        run_id = content["facts"].pop("run_id")
        assert content["lines"] == [
            "ValueError: the bucket has a hole.",
            "What was finished before it is kept.",
            (
                f"Log: run {run_id} under Runs in Dagster's UI, whose storage is "
                f"{farm.project().layout.dagster_home}."
            ),
        ]
        assert content["facts"] == {
            "job": "spilling",
            "steps": ["spill"],
            "partition": "2",
            "cause": "3 photos arrived",
        }

    def test_an_error_of_ours_is_its_own_sentence(self, told):
        (content,), _ = told(refusing)
        assert content["title"] == "`refuse` failed"
        assert content["lines"][0].startswith("3 of 9 photos and labels are quarantined, more than")

    def test_a_run_that_is_tried_again_is_told_of_at_the_end(self, told):
        sent, skipped = told(refusing, tags={"dagster/will_retry": "true"})
        assert sent == []
        assert "tried again by itself" in skipped.skip_message

    def test_a_command_tells_its_caller_itself(self, told):
        sent, skipped = told(refusing, tags=COMMAND_TAGS)
        assert sent == []
        assert "by a command" in skipped.skip_message

    def test_a_channel_that_fails_fails_nothing(self, farm, instance):
        result = refusing.execute_in_process(instance=instance, raise_on_error=False)
        farm.write(automation={"notify": {"webhook": "nonsense"}})
        sensor = failed_runs_sensor(farm.project())
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_instance=instance,
            dagster_run=instance.get_run_by_id(result.run_id),
            dagster_event=result.get_run_failure_event(),
        ).for_run_failure()
        assert sensor(context) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", "One."),
        (
            "data/a.b.h5 is bad: v1.2 was asked for. Do it.",
            "data/a.b.h5 is bad: v1.2 was asked for.",
        ),
        ("\n  first line\nsecond line", "first line"),
        (
            "2 photos failed:\n  - a.png: empty\n  - b.png: empty\nMend",
            "2 photos failed: a.png: empty",
        ),
        ("Is it? `yes`", "Is it?"),
        ("", "It gave no reason."),
    ],
)
def test_the_first_sentence_ends_where_a_person_ends_it(text, expected):
    assert first_sentence(text) == expected
