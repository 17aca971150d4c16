"""The condition on a toy graph, ticked as the sensor ticks it; and the sensor itself."""

import inspect
import json
from inspect import get_annotations

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from biomass_pipeline.config import AutomationConfig
from biomass_pipeline.orchestration import InMemory, Node, automation
from biomass_pipeline.orchestration.automation import (
    ExplainingSensor,
    automation_condition,
    automation_sensor,
)
from biomass_pipeline.orchestration.readiness import MOST_TIMES

# The minor versions on which every test of this file was seen to pass.
KNOWN_ON = ("1.13.",)
ADVICE = (
    f"Dagster {dg.__version__} is not one of {KNOWN_ON}x, on which orchestration/automation.py and "
    "outlook.py are known to work: a condition of our own is asked by Dagster's evaluator, which "
    "may pass it something else. If every other test of this file passes, add the version to "
    "KNOWN_ON; else mend these two files."
)
# Of the watched source, which is of the only kind that automation follows.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
FOLDS = dg.StaticPartitionsDefinition(["0", "1"])


class TestContract:
    def test_this_dagster_is_a_known_one(self):
        assert dg.__version__.startswith(KNOWN_ON), ADVICE

    def test_a_condition_is_given_what_it_asks_for(self):
        context = dg.AutomationContext
        for name in ("asset_graph_view", "candidate_subset"):
            assert name in context.__dataclass_fields__, ADVICE
        for name in ("key", "cursor", "log", "asset_graph", "partitions_def", "get_empty_subset"):
            assert hasattr(context, name), ADVICE
        assert "cursor" in inspect.signature(dg.AutomationResult).parameters, ADVICE

    def test_a_tick_gives_what_the_sensor_hands_on(self):
        given = {*get_annotations(SensorExecutionData)} - {"run_requests"}
        assert given == {*ExplainingSensor.KEPT}, ADVICE


class World:
    """A watched source, a table, a cache and a model of two folds, and a page on them."""

    def __init__(self, instance):
        self.instance = instance
        self.cursor = None
        self.source = "1"
        self.code = "1"
        self.fails = set()
        self.refuses = set()
        self.memory = InMemory()
        self.ran = []
        self.loaded = {}

    def made(self, name, context=None):
        fold = context.partition_key if context else None
        label = name if fold is None else f"{name}[{fold}]"
        self.ran.append(label)
        if label in self.fails:
            raise RuntimeError(label)
        version = dg.DataVersion(f"{label} of {self.source}")
        return dg.MaterializeResult(value=label, data_version=version)

    def definitions(self):
        """As a server has them until its code changes."""
        if self.code not in self.loaded:
            self.loaded[self.code] = self.load()
        return self.loaded[self.code]

    def load(self):
        keep = {"automation_condition": automation_condition({"io_manager": self.memory})}
        world = self

        @dg.observable_source_asset
        def raw_images():
            return dg.DataVersion(world.source)

        @dg.asset(deps=["raw_images"], code_version=self.code, **keep)
        def image_manifest():
            return world.made("image_manifest")

        @dg.asset(
            deps=["image_manifest"],
            partitions_def=FOLDS,
            code_version="1",
            check_specs=[dg.AssetCheckSpec("sound", asset="feature_cache", blocking=True)],
            **keep,
        )
        def feature_cache(context: dg.AssetExecutionContext):
            result = world.made("feature_cache", context)
            sound = context.partition_key not in world.refuses
            return result._replace(check_results=[dg.AssetCheckResult(passed=sound)])

        @dg.asset(
            ins={
                "feature_cache": dg.AssetIn(
                    partition_mapping=dg.StaticPartitionMapping({"0": "1", "1": "0"})
                )
            },
            partitions_def=FOLDS,
            code_version="1",
            **keep,
        )
        def mil_checkpoint(context: dg.AssetExecutionContext, feature_cache):
            return world.made("mil_checkpoint", context)

        @dg.asset(code_version="1")
        def protocols():
            return world.made("protocols")

        @dg.asset(deps=["mil_checkpoint", "protocols"], code_version="1", **keep)
        def report():
            return world.made("report")

        @dg.asset_check(asset=image_manifest)
        def small():
            return dg.AssetCheckResult(passed=False)

        assets = [raw_images, image_manifest, feature_cache, mil_checkpoint, protocols, report]
        return dg.Definitions(
            assets=assets,
            asset_checks=[small],
            resources={"io_manager": self.memory},
            executor=dg.in_process_executor,
            sensors=[automation_sensor(AutomationConfig())],
            jobs=[dg.define_asset_job("observe", selection=["raw_images"])],
        )

    def observe(self):
        job = self.definitions().resolve_job_def("observe")
        assert job.execute_in_process(instance=self.instance).success

    def ask(self):
        """One tick: what it asks for, by partition."""
        defs = self.definitions()
        found = dg.evaluate_automation_conditions(
            defs, self.instance, dg.AssetSelection.all(), cursor=self.cursor
        )
        self.cursor = found.cursor
        return {
            (key.to_user_string(), fold)
            for key in defs.resolve_asset_graph().materializable_asset_keys
            for fold in found.get_requested_partitions(key)
        }

    def execute(self, *names, fold=None):
        self.definitions().resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in names],
            partition_key=fold,
            raise_on_error=False,
        )

    def settle(self, most=12):
        """Tick and run what is asked for, a run a fold, until nothing is; what ran."""
        self.ran.clear()
        for _ in range(most):
            asked = self.ask()
            if not asked:
                return sorted(self.ran)
            for fold in sorted({fold for _, fold in asked}, key=str):
                self.execute(*sorted(name for name, part in asked if part == fold), fold=fold)
        raise AssertionError(f"not quiet: {self.ran}")


EVERYTHING = [
    "feature_cache[0]",
    "feature_cache[1]",
    "image_manifest",
    "mil_checkpoint[0]",
    "mil_checkpoint[1]",
    "report",
]


@pytest.fixture
def world(tmp_path):
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield World(instance)


@pytest.fixture
def done(world):
    world.observe()
    assert world.settle() == EVERYTHING
    return world


class TestSettling:
    def test_nothing_is_made_of_a_source_that_nobody_looked_at(self, world):
        assert world.settle() == []
        world.observe()
        assert world.settle() == EVERYTHING

    def test_everything_is_made_once_and_what_is_optional_is_left_alone(self, done):
        assert done.settle() == []
        assert not done.memory.has("protocols", None)

    def test_an_optional_asset_is_waited_for_by_nobody(self, done):
        done.execute("protocols")
        assert done.settle() == ["report"]

    def test_what_is_running_is_not_asked_for_again(self, done):
        done.source = "2"
        done.observe()
        run = done.instance.create_run_for_job(
            done.definitions().resolve_implicit_global_asset_job_def(),
            asset_selection=frozenset({dg.AssetKey("image_manifest")}),
            status=dg.DagsterRunStatus.STARTED,
        )
        assert done.ask() == set()
        done.instance.report_run_canceled(run)
        assert done.ask() == {("image_manifest", None)}

    def test_a_run_that_does_not_say_what_it_makes_holds_back_everything(self, done):
        done.source = "2"
        done.observe()
        done.instance.create_run(
            job_name="nightly",
            run_id=None,
            run_config={},
            status=None,
            tags={},
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=None,
            execution_plan_snapshot=None,
            job_snapshot=None,
            parent_job_snapshot=None,
            asset_selection=None,
            asset_check_selection=None,
            resolved_op_selection=None,
            op_selection=None,
            remote_job_origin=None,
            job_code_origin=None,
            asset_graph=done.definitions().resolve_asset_graph(),
        )
        assert done.ask() == set()

    def test_a_change_that_comes_during_a_run_is_not_lost(self, done):
        done.source = "2"
        done.observe()
        assert done.ask() == {("image_manifest", None)}
        done.execute("image_manifest")
        done.source = "3"
        done.observe()
        # Nothing is built on what is stale already.
        assert done.ask() == {("image_manifest", None)}


class TestFailing:
    def test_a_failing_fold_is_tried_once_and_the_other_goes_on(self, world):
        world.observe()
        world.fails = {"feature_cache[1]"}
        ran = world.settle()
        assert ran.count("feature_cache[1]") == 1
        # Fold 1 learns from fold 0, so it alone can be trained.
        assert "mil_checkpoint[1]" in ran
        assert not {"mil_checkpoint[0]", "report"} & {*ran}
        assert world.settle() == []
        world.observe()
        assert world.settle() == []

    def test_it_is_tried_again_when_an_input_changes(self, world):
        world.observe()
        world.fails = {"feature_cache[1]"}
        world.settle()
        world.fails = set()
        world.source = "2"
        world.observe()
        assert {"feature_cache[1]", "mil_checkpoint[0]", "report"} <= {*world.settle()}

    def test_it_is_tried_again_when_the_code_changes(self, world):
        world.observe()
        world.fails = {"image_manifest"}
        assert world.settle() == ["image_manifest"]
        world.fails = set()
        world.code = "2"
        assert world.settle() == EVERYTHING

    def test_run_by_hand_it_lets_the_rest_go_on(self, world):
        world.observe()
        world.fails = {"feature_cache[1]"}
        world.settle()
        world.fails = set()
        world.execute("feature_cache", fold="1")
        assert world.settle() == ["mil_checkpoint[0]", "report"]

    def test_a_failed_blocking_check_holds_back_what_reads_the_fold(self, done):
        done.refuses = {"1"}
        done.source = "2"
        done.observe()
        ran = done.settle()
        assert "mil_checkpoint[1]" in ran
        assert not {"mil_checkpoint[0]", "report"} & {*ran}
        done.refuses = set()
        done.execute("feature_cache", fold="1")
        assert {"mil_checkpoint[0]", "report"} == {*done.settle()}

    def test_a_deleted_object_is_made_again_but_not_for_ever(self, done):
        del done.memory.objects["image_manifest", None]
        assert done.settle() == ["image_manifest"]
        for _ in range(MOST_TIMES):
            done.memory.objects.pop(("image_manifest", None), None)
            last = done.settle()
        assert last == []


def test_a_cursor_that_cannot_be_read_is_none():
    for text in (None, "", "nonsense", "[]", '{"": 3}', '{"": {"unknown": 1}}'):
        assert automation._read(text) == {}
    kept = automation._read('{"0": {"inputs": "a", "before": 3, "times": 2}}')
    assert json.loads(automation._written(kept)) == {"0": {"inputs": "a", "before": 3, "times": 2}}


class TestSensor:
    @pytest.mark.parametrize(("interval_s", "seconds"), [(5, 5), (30, 30), (300, 300)])
    def test_it_looks_as_often_as_is_configured(self, interval_s, seconds):
        sensor = automation_sensor(AutomationConfig(interval_s=interval_s))
        assert sensor.minimum_interval_seconds == seconds

    @pytest.mark.parametrize("enabled", [True, False])
    def test_it_is_on_when_the_configuration_says_so(self, enabled):
        sensor = automation_sensor(AutomationConfig(enabled=enabled))
        running = sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert running is enabled

    def tick(self, world):
        """What the code server does when the daemon asks."""
        defs = world.definitions()
        context = dg.build_sensor_context(
            instance=world.instance, repository_def=defs.get_repository_def()
        )
        return defs.resolve_sensor_def("automation").evaluate_tick(context)

    def causes(self, world):
        requests = self.tick(world).run_requests
        return {
            (request.asset_selection[0].to_user_string(), request.partition_key): request.tags[
                "biomass/cause"
            ]
            for request in requests
        }

    def test_a_tick_asks_for_runs_that_say_why(self, world):
        world.observe()
        found = self.tick(world)
        (request,) = found.run_requests
        assert request.asset_selection == [dg.AssetKey("image_manifest")]
        assert request.tags["biomass/cause"] == "never materialized"
        assert found.cursor
        # Every check of what is made runs with it.
        (check,) = request.asset_check_keys
        assert check.name == "small"

    def test_each_run_is_tagged_with_its_own_cause(self, done):
        done.source = "2"
        done.observe()
        assert self.causes(done) == {("image_manifest", None): "raw_images changed"}
        done.execute("image_manifest")
        del done.memory.objects["feature_cache", 1]
        assert self.causes(done) == {
            ("feature_cache", "0"): "image_manifest changed",
            ("feature_cache", "1"): "image_manifest changed",
        }
        done.settle()
        del done.memory.objects["mil_checkpoint", 1]
        assert self.causes(done) == {("mil_checkpoint", "1"): "its file is gone or damaged"}
        done.settle()
        done.code = "2"
        assert self.causes(done) == {
            ("image_manifest", None): "its code or its part of the configuration changed"
        }

    def test_many_reasons_are_counted(self):
        condition = automation_condition()
        condition.reasons[Node("report")] = tuple(f"table {n} changed" for n in range(6))

        @dg.asset(automation_condition=condition)
        def report():
            """One of many inputs."""

        graph = dg.Definitions(assets=[report]).resolve_asset_graph()
        request = dg.RunRequest(asset_selection=[report.key], tags={"mine": "kept"})
        tags = automation._explained(request, graph).tags
        assert tags["mine"] == "kept"
        assert tags["biomass/cause"].endswith("table 3 changed; and 2 more reasons")
