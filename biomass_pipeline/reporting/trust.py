"""What the metrics say of a model's uncertainty, read once: calibration, refusals, unlike photos.

Only this module and `scores` know the shape of `metrics.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from biomass_pipeline.config import DataConfig


@dataclass(frozen=True)
class LevelLine:
    """Intervals of one level; None where all of them were refused.

    Attributes:
        level: As promised.
        covered: The share of photos held.
        width: The mean, in the target's unit.
        by_group: The share held with groups weighed alike, which is what was promised.
    """

    level: float
    covered: float | None
    width: float | None
    by_group: float | None = None


@dataclass(frozen=True)
class ReliabilityPoint:
    """Photos with about the same stated probability that something is there."""

    stated: float
    observed: float
    n: int


@dataclass(frozen=True)
class Calibration:
    """How one target's predictive distributions fared.

    Attributes:
        crps: In the target's unit.
        pit: Shares of photos by equal bins of the probability integral transform.
        zeros: The share of photos where nothing was measured.
        brier: Of the stated probability that something is there.
        reliability: Stated against observed.
        levels: Intervals by level, rising.
    """

    crps: float
    pit: tuple[float, ...]
    zeros: float
    brier: float
    reliability: tuple[ReliabilityPoint, ...]
    levels: tuple[LevelLine, ...]


@dataclass(frozen=True)
class PartCoverage:
    """Coverage and width at the headline level within one value of a group column, by target."""

    column: str
    value: str
    n: int
    n_groups: int
    targets: Mapping[str, LevelLine]


@dataclass(frozen=True)
class Trust:
    """How far the predictions of the model that is used may be trusted.

    Attributes:
        level: The headline level.
        calibration: By target, as configured.
        parts: By group column and value.
        refusals: Sentences on levels without intervals.
        paddocks: As `metrics.json` has them; empty if it does not.
        out_of_domain: Likewise; None if no photo's likeness is known.
    """

    level: float
    calibration: Mapping[str, Calibration]
    parts: tuple[PartCoverage, ...]
    refusals: tuple[str, ...]
    paddocks: Mapping[str, Any]
    out_of_domain: Mapping[str, Any] | None


def read_trust(metrics: Mapping[str, Any], *, data: DataConfig, model: str) -> Trust | None:
    """Take one model's uncertainty out of the metrics.

    Args:
        metrics: As `metrics.json` has them.
        data: The targets and group columns, in the order in which they are shown.
        model: The model that the page speaks of.

    Returns:
        None where the metrics hold no predictive distributions.
    """
    found, levels = metrics["models"].get(model), metrics.get("interval_levels")
    if not found or not levels:
        return None
    level = float(metrics["interval_level"])
    return Trust(
        level=level,
        calibration={
            name: _calibration(found["targets"][name], levels) for name in data.target_names
        },
        parts=tuple(
            _part(column, value, part, level=level)
            for column in data.group_columns
            for value, part in found["group_columns"].get(column, {}).items()
        ),
        refusals=tuple(_refusals(metrics.get("refused_levels", ()), model)),
        paddocks=metrics.get("paddocks") or {},
        out_of_domain=metrics.get("out_of_domain"),
    )


def _calibration(line: Mapping[str, Any], levels: list[float]) -> Calibration:
    return Calibration(
        crps=line["crps"],
        pit=tuple(line["pit_histogram"]),
        zeros=line["presence"]["zeros"],
        brier=line["presence"]["brier"],
        reliability=tuple(
            ReliabilityPoint(point["stated"], point["observed"], point["n"])
            for point in line["presence"]["reliability"]
        ),
        levels=tuple(
            LevelLine(level, *(line["intervals"][f"{100 * level:g}"].get(k) for k in _LEVEL_KEYS))
            for level in levels
        ),
    )


def _part(column: str, value: str, part: Mapping[str, Any], *, level: float) -> PartCoverage:
    return PartCoverage(
        column=column,
        value=value,
        n=part["n"],
        n_groups=part["n_groups"],
        targets={
            name: LevelLine(level, line["coverage"], line["interval_width"])
            for name, line in part["targets"].items()
        },
    )


def _refusals(refused: Any, model: str) -> list[str]:  # noqa: ANN401  # any JSON list
    return [
        f"No {100 * line['level']:g} % intervals in "
        f"fold{'s' if len(line['folds']) > 1 else ''} {', '.join(map(str, line['folds']))}: "
        f"{line['reason']}."
        for line in refused
        if line["model"] == model
    ]


_LEVEL_KEYS = ("coverage", "width", "group_coverage")
