"""What a search of settings found: its history, what mattered, and what it is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from biomass_pipeline.reporting.canvas import (
    LIGHT,
    Rendering,
    Theme,
    as_png,
    quiet_axes,
    sheet,
)
from biomass_pipeline.reporting.table import Table, count, number, score, share, text_table

_LOW_PANEL: Final = 0.75  # of its width
_MOST_BARS: Final = 12
_COMPLETE: Final = "complete"


@dataclass(frozen=True)
class Tuning:
    """A study, and what tuning is worth on photos that no study has seen.

    Attributes:
        trials: Number, inner score and state; those without a score are not there.
        n_trials: All of them.
        importance: Share of the scores' variance by setting, highest first.
        importance_reason: Why there is none; empty if there is.
        best: The best settings.
        nested_r2: Of photos predicted by settings tuned without their fold; None if not known.
        untuned_r2: The same with the configured settings.
    """

    trials: tuple[tuple[int, float, str], ...]
    n_trials: int
    importance: Mapping[str, float]
    importance_reason: str
    best: Mapping[str, Any]
    nested_r2: float | None
    untuned_r2: float | None


def read_tuning(found: Mapping[str, Any] | None) -> Tuning | None:
    """Take what the page shows out of `tuning.json`; None if there is no such file."""
    if not found:
        return None
    nested = found.get("nested") or {}
    importance = found.get("importance") or {}
    return Tuning(
        trials=tuple(
            (trial["number"], trial["value"], trial["state"].lower())
            for trial in found["trials"]
            if trial["value"] is not None
        ),
        n_trials=len(found["trials"]),
        importance=dict(sorted(importance.items(), key=lambda item: -item[1])),
        importance_reason=found.get("importance_reason", ""),
        best=found.get("best") or {},
        nested_r2=nested.get("r2"),
        untuned_r2=nested.get("untuned_r2"),
    )


def tuning_sentence(tuning: Tuning) -> str:
    """What tuning is worth, by photos that took no part in it."""
    tried = f"{count(tuning.n_trials)} settings were tried on inner groups of the training photos."
    if tuning.nested_r2 is None or tuning.untuned_r2 is None:
        return (
            f"{tried} The best inner score is the highest of many, so it is no estimate; what "
            f"tuning is worth on unseen groups was not measured."
        )
    gain = tuning.nested_r2 - tuning.untuned_r2
    verdict = "gains" if gain > 0 else "gains nothing:"
    return (
        f"{tried} Tuned for each fold without its photos, the network reaches "
        f"{score(tuning.nested_r2)}, untuned {score(tuning.untuned_r2)}: tuning {verdict} "
        f"{score(gain)} in R² on groups it never saw."
    )


def best_table(tuning: Tuning) -> Table:
    """The best settings with how much each mattered."""
    names = [*tuning.best, *(name for name in tuning.importance if name not in tuning.best)]
    lines = [
        [name, _value(tuning.best.get(name)), share(tuning.importance.get(name))] for name in names
    ]
    return text_table(
        "The settings of the best trial, and the share of the scores' differences that each "
        "setting explains"
        + (f" (not known: {tuning.importance_reason})." if tuning.importance_reason else "."),
        ["Setting", "Best", "Importance"],
        lines,
    )


def tuning_figure(tuning: Tuning, *, theme: Theme = LIGHT, render: Rendering = as_png) -> bytes:
    """Draw the history of the search, and what mattered where that is known.

    Args:
        tuning: At least one trial with a score.
        theme: The colours of the page.
        render: What the figure becomes.

    Returns:
        One panel, or two; stopped trials are hollow, the line is the best so far.
    """
    figure, panels = sheet(2 if tuning.importance else 1, theme, height=_LOW_PANEL)
    history = panels[0]
    for done, face in ((True, theme.colours[0]), (False, theme.paper)):
        chosen = [(n, value) for n, value, state in tuning.trials if (state == _COMPLETE) == done]
        history.plot(
            [n for n, _ in chosen],
            [value for _, value in chosen],
            linestyle="none",
            marker="o",
            markersize=4,
            markerfacecolor=face,
            markeredgecolor=theme.colours[0],
        )
    best = _best_so_far(tuning)
    history.step([n for n, _ in best], [v for _, v in best], where="post", color=theme.colours[1])
    quiet_axes(history, x="trial", y="inner score", theme=theme)
    if tuning.importance:
        shown = list(tuning.importance.items())[:_MOST_BARS][::-1]
        panels[1].barh(
            [name for name, _ in shown], [value for _, value in shown], color=theme.colours[2]
        )
        quiet_axes(panels[1], x="share of the scores' differences", y="", theme=theme)
        for text in panels[1].get_yticklabels():
            text.set_parse_math(False)
    return render(figure)


def _best_so_far(tuning: Tuning) -> list[tuple[int, float]]:
    best, line = float("-inf"), []
    for place, value, state in sorted(tuning.trials):
        if state == _COMPLETE:
            best = max(best, value)
            line.append((place, best))
    return line


def _value(value: object) -> str:
    if value is None:
        return "none"
    return number(value) if isinstance(value, float) else str(value)
