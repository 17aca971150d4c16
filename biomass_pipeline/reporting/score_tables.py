"""The tables of scores: floor first, in the target's unit and as dry matter a hectare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.scores import (
    Breakdown,
    GlobalScore,
    Scores,
    TargetLine,
    model_name,
)
from biomass_pipeline.reporting.table import (
    MAX_ROWS,
    Head,
    Row,
    Table,
    count,
    grouped_rows,
    number,
    score,
    share,
)
from biomass_pipeline.scoring import kg_per_ha

_GRAMS: Final = "g"


@dataclass(frozen=True)
class Bar:
    """One model's line in the table of global scores; `percent` is the length of its bar."""

    model: str
    name: str
    r2: str
    interval: str
    percent: str


def global_bars(scores: Scores) -> list[Bar]:
    """The global score of each model."""
    return [
        Bar(
            model=model,
            name=model_name(model),
            r2=score(found.r2),
            interval=_interval(found),
            percent=f"{100 * min(max(found.r2 or 0.0, 0.0), 1.0):.1f}",
        )
        for model, found in scores.models.items()
    ]


def target_table(scores: Scores, *, data: DataConfig, models: Sequence[str] = ()) -> Table:
    """Each target's scores by model; grams also as kilograms of dry matter a hectare.

    Args:
        scores: Of every model.
        data: The targets, and the area that a photo shows.
        models: Those that are shown; all by default.
    """
    area = data.quadrat_area_m2 if any(t.unit == _GRAMS for t in data.targets) else None
    units = ("", ", kg\N{NO-BREAK SPACE}DM/ha") if area else ("",)
    titles = [f"{what}{unit}" for what in ("RMSE", "MAE", "Bias") for unit in units]
    groups = [
        (
            f"{target.name} ({target.unit})",
            [
                (model_name(model), _target_cells(line, target=target, area_m2=area))
                for model, line in scores.targets[target.name].items()
                if not models or model in models
            ],
        )
        for target in data.targets
    ]
    return Table(
        "Each target on its own, in its unit"
        + (f" and, from grams on {area:g} m², as dry matter a hectare." if area else "."),
        ("Target", "Model", "R²", *titles),
        tuple(grouped_rows(groups)),
    )


def breakdown_table(breakdown: Breakdown) -> Table:
    """The global score of each model within each part."""
    models = list(dict.fromkeys(m for _, found in breakdown.parts.values() for m in found))
    rows = [
        Row(
            (Head(part),),
            (count(n), *(score(found.get(model)) for model in models)),
        )
        for part, (n, found) in breakdown.parts.items()
    ]
    return Table(
        "Global weighted R² within each part, around that part's own mean: small or even parts "
        "score low although their errors are small.",
        (
            breakdown.title[:1].upper() + breakdown.title[1:],
            "Photos",
            *(model_name(model) for model in models),
        ),
        tuple(rows[:MAX_ROWS]),
        left_out=max(len(rows) - MAX_ROWS, 0),
    )


def choice_table(scores: Scores) -> Table:
    """What the automatic choice took in each fold, and what it knew: the inner scores.

    Without a line where the model that predicts was set, whatever would have been chosen.
    """
    choices = scores.choices if scores.headline == "auto" else ()
    models = list(dict.fromkeys(name for choice in choices for name in choice.scores))
    rows = tuple(
        Row(
            (Head(choice.fold), Head(model_name(choice.model))),
            tuple(score(choice.scores.get(model)) for model in models),
        )
        for choice in choices
    )
    return Table(
        "What was chosen for each fold, by the R² on inner groups of its training photos.",
        ("Fold", "Chosen", *map(model_name, models)),
        rows,
    )


def coverage_table(scores: Scores, *, data: DataConfig) -> Table:
    """How often intervals held the measured value, by target and model."""
    groups = [
        (
            f"{target.name} ({target.unit})",
            [
                (
                    model_name(model),
                    (share(found.level), share(found.covered), number(found.width)),
                )
                for model, found in scores.coverage.get(target.name, {}).items()
            ],
        )
        for target in data.targets
    ]
    return Table(
        "Promised and observed coverage; the width is the mean, in the target's unit.",
        ("Target", "Model", "Promised", "Observed", "Width"),
        tuple(grouped_rows(groups)),
    )


def _target_cells(line: TargetLine, *, target: TargetConfig, area_m2: float | None) -> list[str]:
    cells = [score(line.r2)]
    for value in (line.rmse, line.mae, line.bias):
        cells.append(number(value))
        if area_m2:
            grams = value if target.unit == _GRAMS else None
            cells.append(number(None if grams is None else kg_per_ha(grams, area_m2)))
    return cells


def _interval(found: GlobalScore) -> str:
    if found.low is None or found.high is None:
        return score(None)
    return f"{score(found.low)} to {score(found.high)}"
