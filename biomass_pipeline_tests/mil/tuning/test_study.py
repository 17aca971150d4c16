"""Laws of studies, on objectives whose best value is known."""

import multiprocessing
import os
import signal
import sqlite3
import time

import optuna
import pytest
from optuna.trial import TrialState

from biomass_pipeline.mil.tuning.address import sqlite_url
from biomass_pipeline.mil.tuning.storage import open_storage
from biomass_pipeline.mil.tuning.study import (
    CONFIGURED,
    REASON,
    enqueue_configured,
    open_study,
    run_trials,
)

POSTGRES = "BIOMASS_TEST_POSTGRES"

ENOUGH = (TrialState.COMPLETE, TrialState.PRUNED)


def hill(trial):
    """Highest at 0.3."""
    return 1 - (trial.suggest_float("x", 0, 1) - 0.3) ** 2


def slow_hill(trial):
    time.sleep(0.02)
    return hill(trial)


def opened(url, *, sampler="random", pruner="none", seed=0, name="hill"):
    return open_study(name, storage_url=url, sampler=sampler, pruner=pruner, seed=seed)


def search(url, n_trials, *, objective=hill, timeout_s=None, **options):
    with opened(url, **options) as study:
        run_trials(study, objective, n_trials=n_trials, timeout_s=timeout_s)
        return study.get_trials()


def search_together(url, n_trials, gate):
    """What a process does."""
    gate.wait()
    with opened(url, name="shared") as study:
        enqueue_configured(study, {"x": 0.5}, within={"x": 0.5}, storage_url=url)
        run_trials(study, slow_hill, n_trials=n_trials)


def sleep_in_a_trial(url, entered):
    def objective(trial):
        entered.set()
        time.sleep(60)
        return hill(trial)

    search(url, 3, objective=objective)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_resumed_study_goes_on_as_if_never_stopped(database, sampler):
    parts, whole = database("parts"), database("whole")
    for n_trials in (3, 6, 12):
        resumed = search(parts, n_trials, sampler=sampler)
        assert len(resumed) == n_trials
    straight = search(whole, 12, sampler=sampler)
    assert [trial.params for trial in resumed] == [trial.params for trial in straight]
    assert len({trial.params["x"] for trial in straight}) == 12


def test_another_seed_tries_other_settings(database):
    first = search(database("one"), 1, seed=1)
    other = search(database("other"), 1, seed=-1)
    assert first[0].params != other[0].params


def test_a_study_with_enough_trials_runs_none(url):
    search(url, 3)
    assert len(search(url, 3)) == len(search(url, 2)) == 3


def test_pruned_trials_count_and_failed_ones_do_not(url):
    def objective(trial):
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise KeyError(trial.number)
        return hill(trial)

    with pytest.raises(KeyError):
        search(url, 4, objective=objective)
    trials = search(url, 4, objective=objective)
    assert [trial.state.name for trial in trials] == [
        "COMPLETE",
        "PRUNED",
        "FAIL",
        "COMPLETE",
        "COMPLETE",
    ]


def test_no_trial_begins_after_the_timeout(url):
    assert search(url, 3, timeout_s=0.0) == []
    assert len(search(url, 1000, objective=slow_hill, timeout_s=0.3)) < 20


def test_studies_of_other_names_do_not_mix(url):
    search(url, 3, name="one")
    assert len(search(url, 2, name="other")) == 2


def test_the_configured_settings_are_the_first_trial_and_are_tried_once(url):
    configured = {"x": 0.25, "loss": {"huber": 1.0}}
    for _ in range(2):
        with opened(url) as study:
            enqueue_configured(study, configured, within={"x": 0.25}, storage_url=url)
    trials = search(url, 3)
    assert trials[0].params == {"x": 0.25}
    assert [CONFIGURED in trial.user_attrs for trial in trials] == [True, False, False]
    assert trials[0].user_attrs[CONFIGURED] == configured


def test_newly_configured_settings_are_tried_even_in_a_full_study(url):
    search(url, 3)
    with opened(url) as study:
        enqueue_configured(study, {"x": 0.5}, within={"x": 0.5}, storage_url=url)
    trials = search(url, 3)
    assert [trial.params["x"] for trial in trials][3:] == [0.5]
    assert len(search(url, 3)) == 4


def test_a_trial_too_many_is_dropped(url):
    x = optuna.distributions.FloatDistribution(0, 1)
    with opened(url) as study, opened(url) as elsewhere:
        optimize = study.optimize

        def late(*args, **options):
            # Another process takes the last places after this one has looked.
            for value in (0.1, 0.2):
                elsewhere.add_trial(
                    optuna.create_trial(params={"x": value}, distributions={"x": x}, value=value)
                )
            optimize(*args, **options)

        study.optimize = late
        run_trials(study, hill, n_trials=2)
        trials = study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 2 + ["FAIL"]
    assert trials[2].user_attrs[REASON] == "another process had begun the last trial"


def share(url):
    """Two processes begin at once."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(2)
    workers = [context.Process(target=search_together, args=(url, 16, gate)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with opened(url, name="shared") as study:
        return study.get_trials()


def check_shared(trials):
    done = [trial for trial in trials if trial.state in ENOUGH]
    assert len(done) == 16
    assert {trial.state for trial in trials} <= {*ENOUGH, TrialState.FAIL}
    assert len({trial.params["x"] for trial in done}) == 16
    assert len({trial.user_attrs["worker"]["pid"] for trial in done}) == 2
    assert sum(CONFIGURED in trial.user_attrs for trial in trials) == 1


def test_two_processes_share_a_study_and_its_trials_exactly(tmp_path):
    # They make the file and its tables as well.
    check_shared(share(sqlite_url(tmp_path / "studies.db")))


@pytest.mark.e2e
@pytest.mark.skipif(POSTGRES not in os.environ, reason=f"{POSTGRES} names no empty database")
def test_two_processes_share_a_study_on_a_server():
    check_shared(share(os.environ[POSTGRES]))


def test_the_trial_of_a_killed_process_is_failed_and_replaced(url):
    context = multiprocessing.get_context("spawn")
    entered = context.Event()
    worker = context.Process(target=sleep_in_a_trial, args=(url, entered))
    worker.start()
    assert entered.wait(60)
    with opened(url) as study:
        run_trials(study, hill, n_trials=1)
        assert [trial.state for trial in study.get_trials()] == [TrialState.RUNNING]
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(10)
    trials = search(url, 3)
    assert [trial.state.name for trial in trials] == ["FAIL", *["COMPLETE"] * 3]


def test_the_trial_of_a_machine_that_fell_silent_is_failed_and_replaced(url):
    with open_storage(url) as storage:
        study = storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "hill")
        storage.record_heartbeat(storage.create_new_trial(study))
    assert [trial.state.name for trial in search(url, 1)] == ["RUNNING"]
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.execute("update trial_heartbeats set heartbeat = datetime('now', '-200 seconds')")
    connection.commit()
    connection.close()
    assert [trial.state.name for trial in search(url, 1)] == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize("when", ["before a report", "at the end"])
def test_a_trial_that_was_given_up_by_others_is_let_go(url, when):
    def objective(trial):
        if trial.number == 0:
            with opened(url) as elsewhere:
                elsewhere.tell(0, state=TrialState.FAIL)
            if when == "before a report":
                trial.report(0.5, 0)
        return 0.5

    trials = search(url, 2, objective=objective)
    assert [trial.state.name for trial in trials] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_an_objectives_own_error_is_raised(url):
    def objective(trial):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        search(url, 2, objective=objective)


def test_the_best_settings_are_found(url):
    trials = search(url, 20, sampler="tpe")
    assert max(trial.value for trial in trials) > 0.999


def test_hopeless_trials_are_pruned_after_the_warm_up(url):
    def objective(trial):
        level = -trial.number
        for epoch in range(4, 30, 5):
            trial.report(level, epoch)
            if trial.should_prune():
                trial.set_user_attr(REASON, epoch)
                raise optuna.TrialPruned
        return level

    trials = search(url, 10, objective=objective, pruner="median")
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 5 + ["PRUNED"] * 5
    assert {trial.user_attrs[REASON] for trial in trials[5:]} == {9}
