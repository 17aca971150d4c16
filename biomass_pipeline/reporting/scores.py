"""The scores as the page needs them, read once from what the evaluation found.

Only this module and `trust` know the shape of `metrics.json`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from biomass_pipeline.config import DataConfig

# Floor first: every score is read against it.
MODEL_NAMES: Final = {
    "constant": "Constant floor",
    "ridge": "Ridge baseline",
    "mil": "MIL network",
    "stack": "Stack of both",
    "auto": "Automatic choice",
}


@dataclass(frozen=True)
class GlobalScore:
    """The global weighted R2 of one model and its bootstrap interval; None where undefined."""

    r2: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class TargetLine:
    """One model's scores on one target, in the target's unit; None where undefined."""

    r2: float | None
    rmse: float | None
    mae: float | None
    bias: float | None


@dataclass(frozen=True)
class Coverage:
    """How often one model's intervals held the measured value."""

    level: float
    covered: float
    width: float | None


@dataclass(frozen=True)
class Contest:
    """Two models on the same photos, groups drawn anew; None where a single group says nothing.

    Attributes:
        model: The first.
        against: The second.
        difference: The first's global R2 minus the second's.
        low: Lower bound of its bootstrap interval.
        high: Upper bound.
        p_value: How often chance in the groups alone would make such a difference.
        effect: Cohen's d of the groups' errors.
    """

    model: str
    against: str
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    effect: float | None


@dataclass(frozen=True)
class FoldChoice:
    """Which model the automatic choice took in a fold, and the candidates' inner scores."""

    fold: str
    model: str
    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class Breakdown:
    """The global score within each part of the photos, such as each fold.

    Attributes:
        title: What the parts are.
        parts: By part: how many photos it has, and each model's score in it.
    """

    title: str
    parts: dict[str, tuple[int, dict[str, float | None]]]


@dataclass(frozen=True)
class Scores:
    """What the page shows of the metrics; models are in the order of `MODEL_NAMES`.

    Attributes:
        n_images: Photos scored.
        n_groups: Groups they come from.
        level: The level of the global scores' bootstrap interval; None without one.
        models: The global score by model.
        targets: By target, then model.
        coverage: By target, then model; models without intervals are not there.
        breakdowns: By fold, and by each group column.
        headline: The model that predicts, which the page speaks of; None if no model ran.
        contests: Models against the ridge and against the floor.
        choices: What the automatic choice took, by fold; empty if nothing was chosen.
    """

    n_images: int
    n_groups: int
    level: float | None
    models: dict[str, GlobalScore]
    targets: dict[str, dict[str, TargetLine]]
    coverage: dict[str, dict[str, Coverage]]
    breakdowns: tuple[Breakdown, ...]
    headline: str | None = None
    contests: tuple[Contest, ...] = ()
    choices: tuple[FoldChoice, ...] = ()

    def contest(self, model: str, against: str) -> Contest | None:
        """The comparison of these two, if it was made."""
        pair = (model, against)
        return next((c for c in self.contests if (c.model, c.against) == pair), None)


def read_scores(metrics: Mapping[str, Any], *, data: DataConfig) -> Scores:
    """Take what the page shows out of the metrics.

    Args:
        metrics: As `metrics.json` has them: `n_images`, `n_groups`, `interval_level`,
            `bootstrap_level` and, by name under `models`, each model's `weighted_r2`,
            `weighted_r2_interval`, `targets`, `folds` and `group_columns`. Intervals, breakdowns,
            `headline_model`, `comparisons` and `choices` may be missing.
        data: The targets, in the order in which they are shown.
    """
    found = metrics["models"]
    order = (*MODEL_NAMES, *sorted(set(found) - set(MODEL_NAMES)))
    models = {name: found[name] for name in order if name in found}
    return Scores(
        n_images=metrics["n_images"],
        n_groups=metrics["n_groups"],
        level=metrics.get("bootstrap_level"),
        models={name: _global(found) for name, found in models.items()},
        targets={
            target: {name: _line(found["targets"][target]) for name, found in models.items()}
            for target in data.target_names
        },
        coverage={
            target: _coverage(models, target, level=metrics.get("interval_level"))
            for target in data.target_names
        },
        breakdowns=tuple(_breakdowns(models, data.group_columns)),
        headline=_headline(metrics, models),
        contests=tuple(_contests(metrics.get("comparisons", ()))),
        choices=tuple(
            FoldChoice(fold, found["model"], found["scores"])
            for fold, found in metrics.get("choices", {}).items()
        ),
    )


def model_name(model: str) -> str:
    """A model as the page calls it; one from elsewhere keeps its name."""
    return MODEL_NAMES.get(model, model)


def _headline(metrics: Mapping[str, Any], models: Mapping[str, Any]) -> str | None:
    named = metrics.get("headline_model")
    return named if named in models else next(reversed(list(models)), None)


def _contests(comparisons: Iterable[Mapping[str, Any]]) -> Iterator[Contest]:
    for found in comparisons:
        yield Contest(
            model=found["model"],
            against=found["against"],
            difference=found["difference"],
            low=found["lower"],
            high=found["upper"],
            p_value=found["p_value"],
            effect=found["effect_size"],
        )


def _global(found: Mapping[str, Any]) -> GlobalScore:
    low, high = found.get("weighted_r2_interval") or (None, None)
    return GlobalScore(found["weighted_r2"], low, high)


def _line(found: Mapping[str, Any]) -> TargetLine:
    return TargetLine(found["r2"], found["rmse"], found["mae"], found["bias"])


def _coverage(
    models: Mapping[str, Any], target: str, *, level: float | None
) -> dict[str, Coverage]:
    lines = {name: found["targets"][target] for name, found in models.items()}
    return {
        name: Coverage(level, line["coverage"], line.get("interval_width"))
        for name, line in lines.items()
        if level is not None and line.get("coverage") is not None
    }


def _breakdowns(models: Mapping[str, Any], group_columns: tuple[str, ...]) -> Iterator[Breakdown]:
    kinds = {"fold": {name: found.get("folds") or {} for name, found in models.items()}}
    for column in group_columns:
        kinds[column] = {
            name: (found.get("group_columns") or {}).get(column, {})
            for name, found in models.items()
        }
    for title, by_model in kinds.items():
        parts: dict[str, tuple[int, dict[str, float | None]]] = {}
        for name, found in by_model.items():
            for part, line in found.items():
                parts.setdefault(part, (line["n"], {}))[1][name] = line["weighted_r2"]
        yield Breakdown(title, parts)
