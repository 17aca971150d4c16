"""Studies: trials in a database that outlives the process, resumed and shared by several."""

import logging
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from biomass_pipeline.mil.tuning.storage import alone, open_storage

_log = logging.getLogger(__name__)

# What a trial carries beside its parameters.
CONFIGURED = "configured"
REASON = "reason"
_WORKER = "worker"

# Trials that are never counted: theirs was a process that died, or one trial too many.
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)

# Reports before the tenth epoch say more about the learning rate's warm-up than about the end.
_WARMUP_STEPS = 9

_SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
_PRUNERS: Mapping[str, Callable[[], BasePruner]] = {
    "median": lambda: MedianPruner(n_warmup_steps=_WARMUP_STEPS),
    "none": NopPruner,
}


class SurplusTrialError(Exception):
    """Another process had taken the last trial; this one is dropped."""


class NumberedSampler(BaseSampler):
    """Draws each trial from a seed of its own, made of the study's seed and the trial's number.

    A sampler that is seeded once repeats itself when a study is resumed, and two processes with
    one seed try the same settings twice.
    """

    def __init__(self, build: Callable[[int], BaseSampler], *, seed: int) -> None:
        self._build, self._seed = build, seed
        self._inner = build(self._seed_of(0))

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Start the trial's own chance."""
        self._inner = self._build(self._seed_of(trial.number))
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the trial's sampler does."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the trial's sampler does."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # noqa: ANN401  # whatever the distribution holds
        """As the trial's sampler does."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def _seed_of(self, number: int) -> int:
        # A SeedSequence takes no negative number; a configured seed may be one.
        entropy = [abs(self._seed), int(self._seed < 0), number]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])


@contextmanager
def open_study(
    name: str, *, storage_url: str, sampler: str, pruner: str, seed: int
) -> Iterator[Study]:
    """Open a study, or make it; higher scores are better.

    Args:
        name: With the fingerprint of all that decides a trial's score, so that trials on other
            data never mix.
        storage_url: As SQLAlchemy names it.
        sampler: tpe or random.
        pruner: median or none.
        seed: With a trial's number it decides what is tried.

    Yields:
        The study, which can be used until the context ends.

    Raises:
        MissingDriverError: The database's driver is not installed.
        StudyStorageError: The database cannot be opened, read or written.
    """
    with open_storage(storage_url) as storage:
        with alone(storage_url):
            study = optuna.create_study(
                study_name=name,
                storage=storage,
                direction="maximize",
                load_if_exists=True,
                sampler=NumberedSampler(_SAMPLERS[sampler], seed=seed),
                pruner=_PRUNERS[pruner](),
            )
        yield study


def enqueue_configured(
    study: Study, configured: Mapping[str, Any], *, within: Mapping[str, Any], storage_url: str
) -> None:
    """See to it that the configured settings are tried, first of all in a new study.

    Args:
        study: The study.
        configured: The configured value of every searched field.
        within: Those that lie in the space.
        storage_url: Where the study is.
    """
    states = (*_COUNTED, TrialState.WAITING)
    with alone(storage_url):
        known = study.get_trials(deepcopy=False, states=states)
        if not any(trial.user_attrs.get(CONFIGURED) == configured for trial in known):
            study.enqueue_trial(dict(within), user_attrs={CONFIGURED: dict(configured)})


def run_trials(
    study: Study,
    objective: Callable[[Trial], float],
    *,
    n_trials: int,
    timeout_s: float | None = None,
) -> None:
    """Run trials until the study has enough, together with other processes on the same study.

    Completed and pruned trials count, whoever ran them, and those that are running elsewhere. A
    trial whose process died is marked as failed, and another one takes its place.

    Args:
        study: The study.
        objective: A trial to its score, or raises `optuna.TrialPruned`.
        n_trials: Wanted.
        timeout_s: No trial is begun after that.
    """
    end_s = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
    counted = _Counted(study, objective, n_trials)
    while time.monotonic() < end_s and not _is_done(_living(study), n_trials):
        try:
            study.optimize(counted, n_trials=1, catch=(SurplusTrialError,), callbacks=[_told])
        except (ValueError, AssertionError) as error:
            if error is counted.error:
                raise
            # This process was silent for so long (a laptop asleep) that another one took it for
            # dead and gave its trial up: Optuna stumbles over finishing it.
            _log.warning("%s: a trial was given up by another process", study.study_name)


def tried_values(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's values by field: its parameters, or what was configured."""
    return dict(trial.user_attrs.get(CONFIGURED, trial.params))


class _Counted:
    """An objective that says who runs it, and drops a trial too many."""

    def __init__(self, study: Study, objective: Callable[[Trial], float], n_trials: int) -> None:
        self._study, self._objective, self._n_trials = study, objective, n_trials
        self.error: Exception | None = None

    def __call__(self, trial: Trial) -> float:
        trial.set_user_attr(_WORKER, {"node": platform.node(), "pid": os.getpid()})
        if CONFIGURED not in trial.user_attrs and self._n_before(trial) >= self._n_trials:
            trial.set_user_attr(REASON, "another process had begun the last trial")
            raise SurplusTrialError
        try:
            return self._objective(trial)
        except Exception as error:
            # Optuna keeps the trial's message, not the error that a person is to read.
            self.error = error
            raise

    def _n_before(self, trial: Trial) -> int:
        counted = self._study.get_trials(deepcopy=False, states=_COUNTED)
        return sum(other.number < trial.number for other in counted)


def _living(study: Study) -> list[FrozenTrial]:
    """Trials that are done, running or waiting; running ones whose process is gone are failed.

    This machine's processes are asked for. Those of others count as gone after a while without a
    sign of life.
    """
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        optuna.storages.fail_stale_trials(study)
    living = []
    for trial in study.get_trials(deepcopy=False, states=(*_COUNTED, TrialState.WAITING)):
        worker = trial.user_attrs.get(_WORKER, {})
        is_here = worker.get("node") == platform.node()
        if trial.state is TrialState.RUNNING and is_here and not _lives(int(worker["pid"])):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            _log.info("%s: trial %d died with its process", study.study_name, trial.number)
        else:
            living.append(trial)
    return living


def _is_done(living: Sequence[FrozenTrial], n_trials: int) -> bool:
    n_waiting = sum(trial.state is TrialState.WAITING for trial in living)
    return not n_waiting and len(living) >= n_trials


def _told(study: Study, trial: FrozenTrial) -> None:
    value = "" if trial.value is None else f", {trial.value:.4f}"
    state = trial.state.name.lower()
    _log.info("%s: trial %d %s%s", study.study_name, trial.number, state, value)


def _lives(pid: int) -> bool:
    """Whether a process of this machine is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
