"""Old runs go with their logs, and nothing that is there becomes stale by it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from biomass_pipeline.config import load_config
from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.orchestration.exclusion import COMMAND_TAGS
from biomass_pipeline.orchestration.retention import CLEAN_UP, clean_up, clean_up_job
from biomass_pipeline.orchestration.staleness import judge, nodes
from biomass_pipeline.project import Project

# Our sources are of this kind.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

FOLDS = dg.StaticPartitionsDefinition(["0", "1", "2"])
OTHERS = dg.StaticPartitionMapping({k: [j for j in "012" if j != k] for k in "012"})
LATER = datetime.now(UTC) + timedelta(days=400)


class World:
    """As much of the graph as retention can break: a source, a table, folds, models, a pool."""

    def __init__(self):
        names = ["photos", "table", "cache", "model", "pooled"]
        self.versions = {name: f"{name} 0" for name in names}
        version = self.version

        @dg.observable_source_asset
        def photos():
            return version("photos")

        @dg.asset(deps=[photos], code_version="1")
        def table():
            return dg.MaterializeResult(data_version=version("table"))

        @dg.asset(deps=[table], code_version="1", partitions_def=FOLDS)
        def cache(context: dg.AssetExecutionContext):
            dg.get_dagster_logger().info("embedded fold %s", context.partition_key)
            return dg.MaterializeResult(data_version=version("cache"))

        @dg.asset(
            deps=[dg.AssetDep(cache, partition_mapping=OTHERS), table],
            code_version="1",
            partitions_def=FOLDS,
        )
        def model():
            return dg.MaterializeResult(data_version=version("model"))

        @dg.asset(deps=[model], code_version="1")
        def pooled():
            return dg.MaterializeResult(data_version=version("pooled"))

        self.defs = dg.Definitions(
            assets=[photos, table, cache, model, pooled],
            jobs=[dg.define_asset_job(name, selection=[name]) for name in names],
        )

    def version(self, name):
        return dg.DataVersion(self.versions[name])

    def run(self, instance, name, *folds):
        """One run a fold, or one without."""
        for fold in folds or [None]:
            job = self.defs.resolve_job_def(name)
            assert job.execute_in_process(instance=instance, partition_key=fold).success

    def everything(self, instance):
        for name, folds in [("photos", ""), ("table", ""), ("cache", "012"), ("model", "012")]:
            self.run(instance, name, *folds)
        self.run(instance, "pooled")

    def states(self, instance):
        """What every node's state is, and why."""
        return judge(self.defs, instance, nodes(self.defs))


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "artefacts")


@pytest.fixture
def instance(request, layout):
    if "world" in request.fixturenames:
        request.getfixturevalue("world")
    with open_instance(layout) as instance:
        yield instance


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Dagster's storage after everything ran once: it works wherever it lies."""
    layout, world = Layout(tmp_path_factory.mktemp("template") / "artefacts"), World()
    with open_instance(layout) as instance:
        world.everything(instance)
        assert all(verdict.fresh for verdict in world.states(instance))
    return layout.root


@pytest.fixture
def world(template, layout):
    shutil.copytree(template, layout.root)
    return World()


def n_runs(instance):
    return len(instance.get_runs())


@pytest.mark.slow
def test_what_is_young_stays_and_so_does_what_is_there_now_however_old(world, instance):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert clean_up(instance, before=yesterday).kept == ()
    assert n_runs(instance) == 9
    cleared = clean_up(instance, before=LATER)
    assert cleared.deleted == ()
    assert len(cleared.kept) == n_runs(instance) == 9


@pytest.mark.slow
def test_the_same_again_leaves_nothing_stale(world, instance):
    """Materialized again with the same content: the models know the caches by their older events.

    To say that a fold did not change since a model read it, Dagster compares with the event that
    the model read. Without that event's run every model would be stale for ever.
    """
    world.run(instance, "photos")
    world.run(instance, "cache", *"012")
    world.run(instance, "cache", "1")
    states = world.states(instance)
    assert all(verdict.fresh for verdict in states)
    cleared = clean_up(instance, before=LATER)
    assert world.states(instance) == states
    # The first look at the photos and the cache of fold 1 in between: nothing is known by them.
    assert len(cleared.deleted) == 2
    # And what follows is judged as it would have been.
    world.versions["cache"] = "c1"
    world.run(instance, "cache", "0")
    stale = {str(v.node) for v in world.states(instance) if not v.fresh}
    assert stale == {"model[1]", "model[2]"}


@pytest.mark.slow
def test_what_was_stale_stays_stale_and_for_the_same_reasons(world, instance):
    world.versions |= {"table": "t1", "cache": "c1"}
    world.run(instance, "table")
    world.run(instance, "cache", "2")
    states = world.states(instance)
    assert {str(v.node) for v in states if v.fresh} == {"table", "cache[2]", "pooled"}
    for _ in range(2):
        clean_up(instance, before=LATER)
        assert world.states(instance) == states


@pytest.mark.slow
def test_a_deleted_run_leaves_no_log_and_no_file(world, instance, layout):
    world.run(instance, "photos")
    (oldest,) = [run for run in instance.get_runs() if run.job_name == "photos"][1:]
    printed = Path(layout.dagster_home) / "storage" / oldest.run_id
    printed.mkdir(parents=True)
    files = list(layout.dagster_home.rglob(f"{oldest.run_id}*"))
    assert printed in files
    assert [path for path in files if path.suffix == ".db"]
    # Servers keep what steps print; commands do not, and this instance is a command's.
    with dg.DagsterInstance.from_config(str(layout.dagster_home)) as server:
        assert clean_up(server, before=LATER).deleted == (oldest.run_id,)
        assert server.get_run_by_id(oldest.run_id) is None
    assert not list(layout.dagster_home.rglob(f"{oldest.run_id}*"))


def test_what_has_not_ended_stays(instance):
    world = World()
    world.run(instance, "photos")
    for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING):
        instance.create_run_for_job(world.defs.resolve_job_def("table"), status=status)
    assert clean_up(instance, before=LATER).deleted == ()
    assert n_runs(instance) == 3


class TestJob:
    def run(self, layout, instance, *overrides):
        config = load_config(None, overrides=[f"root={layout.root}", *overrides])
        job = clean_up_job(Project(None, (), (), config))
        assert job.name == CLEAN_UP == "clean_up_runs"
        result = job.execute_in_process(instance=instance)
        return [entry.user_message for entry in instance.all_logs(result.run_id)]

    def test_it_says_what_it_did(self, layout, instance):
        said = self.run(layout, instance, "automation.keep_runs_days=30")
        assert any("deleted 0 runs that ended more than 30 days ago; kept 0" in s for s in said)

    def test_null_keeps_everything(self, layout, instance):
        said = self.run(layout, instance, "automation.keep_runs_days=null")
        assert any("every run is kept" in s for s in said)

    def test_a_run_of_a_killed_command_is_ended(self, layout, instance):
        run = instance.create_run_for_job(
            World().defs.resolve_job_def("table"),
            status=dg.DagsterRunStatus.STARTED,
            tags=COMMAND_TAGS,
        )
        self.run(layout, instance)
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
