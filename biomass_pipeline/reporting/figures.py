"""Figures as PNG bytes. Drawn without any state of the process: no windows, no global settings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.canvas import (
    LIGHT,
    Look,
    Rendering,
    Theme,
    as_png,
    looks_of,
    name_below,
    quiet_axes,
    sheet,
)
from biomass_pipeline.scoring import score_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED: Final = 8  # more groups than this are shades in order, with some of them named
_NAMED_SHADES: Final = 5


def predicted_against_measured(
    oof: pd.DataFrame,
    *,
    data: DataConfig,
    model: str,
    theme: Theme = LIGHT,
    render: Rendering = as_png,
) -> bytes:
    """Draw each target's out-of-fold predictions over what was measured.

    A point is a photo, a thin bar its prediction interval, the line is where both agree. Colours
    tell the first group column apart. Bars may leave the panel; points never do.

    Args:
        oof: The out-of-fold predictions of at least this model: `image_id, group, target, y_true,
            y_pred, y_lower, y_upper, model`.
        data: The targets, in the order of the panels, and their units.
        model: Which model's rows to draw: mil, ridge or constant.
        theme: The colours of the page.
        render: What the figure becomes.

    Returns:
        One panel a target, below 100 kB for any ordinary survey.

    Raises:
        UndefinedScoreError: The model has no row, or a value that is not finite.
    """
    rows = oof[oof["model"] == model]
    rows = rows.assign(part=[_first_part(str(group)) for group in rows["group"]])
    looks = _looks(sorted(set(rows["part"])), theme)
    figure, panels = sheet(len(data.targets), theme)
    for axes, target in zip(panels, data.targets, strict=True):
        _panel(axes, rows[rows["target"] == target.name], target=target, looks=looks, theme=theme)
    _legend(figure, looks, theme=theme)
    return render(figure)


def _first_part(group: str) -> str:
    return group.split("|", maxsplit=1)[0]


def _looks(names: Sequence[str], theme: Theme) -> list[Look]:
    """Distinct colours for a few groups; shades from the first to the last for many."""
    if len(names) <= _NAMED:
        return looks_of(names, theme)
    from matplotlib import colormaps  # noqa: PLC0415  # only who draws pays for it
    from matplotlib.colors import to_hex  # noqa: PLC0415  # only who draws pays for it

    shades = colormaps["viridis"](np.linspace(*theme.dates, len(names)))
    return [
        Look(name, to_hex(shade), marker)
        for name, shade, marker in zip(names, shades, cycle("o"), strict=False)
    ]


def _panel(
    axes: Axes,
    rows: pd.DataFrame,
    *,
    target: TargetConfig,
    looks: Sequence[Look],
    theme: Theme,
) -> None:
    score = score_target(rows["y_true"], rows["y_pred"])
    low, high = _limits(rows)
    axes.plot([low, high], [low, high], color=theme.ink, linewidth=0.8, zorder=1)
    for look in looks:
        part = rows[rows["part"] == look.name]
        axes.vlines(
            part["y_true"],
            part["y_lower"],
            part["y_upper"],
            color=look.colour,
            linewidth=0.7,
            alpha=0.3,
            zorder=2,
        )
        axes.plot(
            part["y_true"],
            part["y_pred"],
            linestyle="none",
            marker=look.marker,
            markersize=3.6,
            markerfacecolor=look.colour,
            markeredgecolor=theme.paper,
            markeredgewidth=0.3,
            zorder=3,
        )
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    r2 = "not defined" if score.r2 is None else f"{score.r2:.2f}"
    axes.set_title(
        f"{target.name}\nR² {r2}, RMSE {score.rmse:.3g} {target.unit}",
        fontsize=9,
        color=theme.ink,
        parse_math=False,
    )
    quiet_axes(axes, x=f"measured ({target.unit})", y=f"predicted ({target.unit})", theme=theme)


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """From zero, or below if something is, to a little above the largest point."""
    points = rows[["y_true", "y_pred"]].to_numpy(dtype=float)
    low, high = min(0.0, points.min()), max(0.0, points.max())
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _legend(figure: Figure, looks: Sequence[Look], *, theme: Theme) -> None:
    named = list(looks)
    if len(looks) > _NAMED:
        named = [looks[round(k)] for k in np.linspace(0, len(looks) - 1, _NAMED_SHADES)]
    title = f"{len(named)} of {len(looks)} groups, in order" if named != list(looks) else None
    name_below(figure, named, theme=theme, title=title)
