"""A killed command blocks nobody; a living one keeps others out."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import dagster as dg
import pytest

from biomass_pipeline.errors import BusyProjectError, UnlockableFolderError
from biomass_pipeline.orchestration import exclusive, open_instance, others_at_work
from biomass_pipeline.orchestration.exclusion import COMMAND_TAGS
from biomass_pipeline_tests.farm import build_farm, every, graph_of

# Stops for ever in the first tile, inside the step that holds the pool's only place.
STUCK = """
import sys, time
from pathlib import Path
from biomass_pipeline_tests.farm import CountingBackbone, Farm, MeanColourBackbone, graph_of
from biomass_pipeline.orchestration import exclusive, open_instance

class Stuck(CountingBackbone):
    def build(self):
        class Forever(MeanColourBackbone):
            def embed(self, tiles):
                Path("stuck").touch()
                time.sleep(600)
        return [Forever(self.identity())]

project = Farm(Path.cwd()).project()
with open_instance(project.layout) as instance, exclusive(project.layout, instance):
    graph = graph_of(project, instance, backbone=Stuck())
    graph.observe()
    graph.run(graph.select(), on_step=lambda _: None)
"""


# Who, where, since when: enough to find it and to end it.
HOLDER = r"process \d+ on \S+, since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Wait until it ends"


def expect_busy(layout, instance):
    with (
        pytest.raises(BusyProjectError, match=f"is running on {layout.root}: {HOLDER}"),
        exclusive(layout, instance),
    ):
        pass


@pytest.fixture
def farm(tmp_path):
    return build_farm(tmp_path)


@pytest.mark.slow
def test_a_killed_run_leaves_its_place_to_the_next(farm):
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        cwd=farm.folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    ) as process:
        deadline_s = time.monotonic() + 120
        while not (farm.folder / "stuck").exists() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        layout = farm.project().layout
        with open_instance(layout) as instance:
            expect_busy(layout, instance)
        os.killpg(process.pid, signal.SIGKILL)
    assert (farm.folder / "stuck").exists()
    with open_instance(layout) as instance, exclusive(layout, instance):
        statuses = [run.status for run in instance.get_runs()]
        assert dg.DagsterRunStatus.FAILURE in statuses
        assert dg.DagsterRunStatus.STARTED not in statuses
        graph = graph_of(farm.project(), instance)
        graph.observe()
        done = graph.run(graph.select("+feature_cache"), on_step=lambda _: None)
    assert sorted(map(str, done)) == [*every("feature_cache"), "patch_index[1]", "patch_index[2]"]


def test_another_command_is_refused_with_the_folder(farm):
    layout = farm.project().layout
    with open_instance(layout) as instance, exclusive(layout, instance):
        expect_busy(layout, instance)
    with open_instance(layout) as instance, exclusive(layout, instance):
        assert instance.get_runs() == []


def test_a_servers_run_is_left_to_its_daemon(farm):
    layout = farm.project().layout
    with open_instance(layout) as instance:
        graph = graph_of(farm.project(), instance)
        run = instance.create_run_for_job(
            graph.defs.resolve_job_def("prepare"), status=dg.DagsterRunStatus.STARTED
        )
        with exclusive(layout, instance):
            assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED


@pytest.fixture
def held(farm):
    """Dagster's storage with a run of a dead command, which holds the pool's only place."""
    with open_instance(farm.project().layout) as instance:
        graph = graph_of(farm.project(), instance)
        run = instance.create_run_for_job(
            graph.defs.resolve_job_def("prepare"),
            status=dg.DagsterRunStatus.STARTED,
            tags=COMMAND_TAGS,
        )
        instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")
        instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "a_step")
        yield instance


def n_held(instance):
    return len(instance.event_log_storage.get_concurrency_info("gpu").claimed_slots)


def test_who_is_killed_while_it_clears_away_leaves_no_place_held(farm, held, monkeypatch):
    def is_killed(_):
        raise KeyboardInterrupt

    layout, storage = farm.project().layout, held.event_log_storage
    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(storage, "free_concurrency_slots_for_run", is_killed)
        with exclusive(layout, held):
            pytest.fail("nothing was there to be freed")
    (run,) = held.get_runs()
    assert [run.status, n_held(held)] == [dg.DagsterRunStatus.FAILURE, 1]
    # Else the next step of this pool would wait for ever.
    with exclusive(layout, held):
        assert n_held(held) == 0


def test_the_place_of_a_servers_run_is_left_to_it(farm, held):
    graph = graph_of(farm.project(), held)
    run = held.create_run_for_job(
        graph.defs.resolve_job_def("prepare"), status=dg.DagsterRunStatus.STARTED
    )
    storage = held.event_log_storage
    with exclusive(farm.project().layout, held):
        storage.claim_concurrency_slot("gpu", run.run_id, "a_step")
    with exclusive(farm.project().layout, held):
        assert n_held(held) == 1
        # Who has to wait for it is told so, and what to do if it is dead.
        (told,) = others_at_work(held)
    assert told.startswith(f"Run {run.run_id} of a server (prepare) comes first: heavy steps wait")
    assert told.endswith("If its server is dead, terminate it in `biomass ui`.")


@pytest.mark.parametrize(
    ("where", "name", "number"),
    [(fcntl, "flock", errno.ENOSYS), (os, "open", errno.EROFS), (os, "open", errno.EACCES)],
)
def test_a_folder_without_locks_is_named(farm, monkeypatch, where, name, number):
    def refuses(*_, **__):
        raise OSError(number, os.strerror(number))

    layout = farm.project().layout
    layout.dagster_home.mkdir(parents=True)
    words = rf"dagster cannot be locked: {os.strerror(number).lower()}\. .*Set `root`"
    with monkeypatch.context() as patched:
        patched.setattr(where, name, refuses)
        with (
            pytest.raises(UnlockableFolderError, match=words),
            exclusive(layout, dg.DagsterInstance.ephemeral()),
        ):
            pass
