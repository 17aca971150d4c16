"""What a study has found: its trials, the best settings, what mattered; for a report and a file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Self

import numpy as np
import pandas as pd
import yaml
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import EmptyStudyError
from biomass_pipeline.mil.tuning.space import Space
from biomass_pipeline.mil.tuning.study import REASON, tried_values

# A forest of regression trees on fewer trials than this tells chance from chance.
_ENOUGH_FOR_IMPORTANCE = 10
# The importances are averages over random trees; the same study gives the same ones.
_FOREST_SEED = 0

_COLUMNS = ("number", "value", "state", "reason", "duration_s", "params")


@dataclass(frozen=True)
class StudyResult:
    """A study as it stands.

    Attributes:
        study: Its name, with the fingerprint of what decides its scores.
        trials: Columns `number, value, state, reason, duration_s, params`, a row a trial. `value`
            is the inner score, of a pruned trial the last one reported; NaN if there is none.
            `params` are the values by field.
        best: The values of the best completed trial, by field.
        best_value: Its inner score: the highest of many, so no estimate of anything.
        importance: Share of the scores' variance that each field explains (fANOVA), adding up to 1.
        importance_reason: Why there is no importance; empty if there is.
    """

    study: str
    trials: pd.DataFrame
    best: Mapping[str, Any]
    best_value: float
    importance: Mapping[str, float]
    importance_reason: str

    @classmethod
    def of(cls, study: Study, space: Space) -> Self:
        """Read a study.

        Raises:
            EmptyStudyError: No trial is completed.
        """
        trials = study.get_trials(deepcopy=False)
        completed = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        if not completed:
            reasons = [trial.user_attrs.get(REASON, trial.state.name.lower()) for trial in trials]
            raise EmptyStudyError(study.study_name, reasons=reasons)
        # The first of equals, whichever database sorted them.
        best = max(completed, key=lambda trial: (trial.value, -trial.number))
        importance, reason = _importance(study, completed, list(space.dimensions))
        return cls(
            study=study.study_name,
            trials=_table(trials),
            best=tried_values(best),
            best_value=float(best.value or 0.0),
            importance=importance,
            importance_reason=reason,
        )


@dataclass(frozen=True)
class NestedScore:
    """What tuning is worth on photos that no study has seen.

    Attributes:
        r2: The global weighted R2 of photos predicted by settings tuned without their fold.
        untuned_r2: The same with the configured settings.
        difference: The first minus the second.
        n_images: Photos scored.
    """

    r2: float
    untuned_r2: float
    difference: float
    n_images: int


def tuning_report(result: StudyResult, nested: NestedScore | None) -> dict[str, Any]:
    """Everything for a report, as JSON holds it."""
    return {
        "study": result.study,
        "trials": [
            {name: _plain(value) for name, value in row.items()}
            for row in result.trials.to_dict(orient="records")
        ],
        "importance": dict(result.importance),
        "importance_reason": result.importance_reason,
        "best": dict(result.best),
        "best_value": result.best_value,
        "nested": None if nested is None else asdict(nested),
    }


def recommended_yaml(space: Space, result: StudyResult) -> str:
    """The best settings as a `training:` section.

    It names the searched fields and all that differs from the built-in settings, so it means the
    same in any configuration it is copied into.

    Args:
        space: The space that was searched.
        result: What was found there.
    """
    training = space.settings(result.best)
    content = {"training": _told(training, space.dimensions)}
    counted = result.trials["state"].isin(["complete", "pruned"]).sum()
    head = (
        f"# Recommended by study {result.study}, the best of {counted} trials.\n"
        f"# Its inner score {result.best_value:.4f} is the highest of many and no estimate: the\n"
        f"# nested score says what tuning is worth. Out-of-fold scores under these settings are\n"
        f"# optimistic, since the study has seen every fold: quote the nested score beside them.\n"
    )
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _told(training: TrainingConfig, searched: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings without those that are built in and were not searched."""
    plain, built_in = training.model_dump(mode="json"), TrainingConfig().model_dump(mode="json")
    roots = {field.partition(".")[0] for field in searched}
    return {
        name: value for name, value in plain.items() if name in roots or value != built_in[name]
    }


def _importance(
    study: Study, completed: Sequence[FrozenTrial], fields: Sequence[str]
) -> tuple[dict[str, float], str]:
    """Importance by field, highest first, or nothing and the reason."""
    whole = [trial for trial in completed if set(fields) <= set(trial.params)]
    if len(whole) < _ENOUGH_FOR_IMPORTANCE:
        return {}, f"{_ENOUGH_FOR_IMPORTANCE} completed trials are needed, there are {len(whole)}"
    if np.ptp([trial.value or 0.0 for trial in whole]) == 0:
        return {}, "all completed trials have the same score"
    forest = FanovaImportanceEvaluator(seed=_FOREST_SEED)
    found = get_param_importances(study, evaluator=forest, params=list(fields))
    return {field: float(value) for field, value in found.items()}, ""


def _table(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    rows = [
        (
            trial.number,
            np.nan if trial.value is None else trial.value,
            trial.state.name.lower(),
            trial.user_attrs.get(REASON, ""),
            np.nan if trial.duration is None else trial.duration.total_seconds(),
            tried_values(trial),
        )
        for trial in trials
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _plain(value: Any) -> Any:  # noqa: ANN401  # any JSON
    return None if isinstance(value, float) and not isfinite(value) else value
