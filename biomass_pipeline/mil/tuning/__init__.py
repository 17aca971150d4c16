"""Tuning: searching settings of `training` by inner groups, strictly nested in the folds.

What may live here: the search space, studies and their database, what a trial is scored by, and
what is recommended. The held-out fold is never within reach of a study. Names are imported on
first use, so asking what is searched loads neither Optuna nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biomass_pipeline.mil.tuning.address import sqlite_url
    from biomass_pipeline.mil.tuning.nested import OuterFold, nested_predictions, nested_score
    from biomass_pipeline.mil.tuning.objective import Objective, Scorer
    from biomass_pipeline.mil.tuning.result import (
        NestedScore,
        StudyResult,
        recommended_yaml,
        tuning_report,
    )
    from biomass_pipeline.mil.tuning.search import Search, tune
    from biomass_pipeline.mil.tuning.space import Space
    from biomass_pipeline.mil.tuning.study import open_study, run_trials

__all__ = [
    "NestedScore",
    "Objective",
    "OuterFold",
    "Scorer",
    "Search",
    "Space",
    "StudyResult",
    "nested_predictions",
    "nested_score",
    "open_study",
    "recommended_yaml",
    "run_trials",
    "sqlite_url",
    "tune",
    "tuning_report",
]

_MODULES = {
    "address": ("sqlite_url",),
    "nested": ("OuterFold", "nested_predictions", "nested_score"),
    "objective": ("Objective", "Scorer"),
    "result": ("NestedScore", "StudyResult", "recommended_yaml", "tuning_report"),
    "search": ("Search", "tune"),
    "space": ("Space",),
    "study": ("open_study", "run_trials"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name not in _WHERE:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
