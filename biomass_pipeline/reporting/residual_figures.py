"""The still figure of residuals: predicted minus measured along what is known of the photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from biomass_pipeline.config import TargetConfig
from biomass_pipeline.reporting.canvas import LIGHT, Rendering, Theme, as_png, quiet_axes, sheet
from biomass_pipeline.reporting.charts import Kind
from biomass_pipeline.reporting.photo_columns import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOW_PANEL: Final = 0.75  # of its width
_MOST_PANELS: Final = 6
_MOST_NAMES: Final = 8
_LETTERS: Final = 12


def residual_figure(
    errors: Sequence[float],
    columns: Sequence[Column],
    *,
    target: TargetConfig,
    theme: Theme = LIGHT,
    render: Rendering = as_png,
) -> bytes:
    """Draw predicted minus measured of one target along each column.

    Args:
        errors: One a photo, in the target's unit.
        columns: What is known of the same photos; the first six are drawn, at least one.
        target: Whose errors they are.
        theme: The colours of the page.
        render: What the figure becomes.

    Returns:
        A panel a column; the dark mark is the median of each value.
    """
    shown = list(columns)[:_MOST_PANELS]
    figure, panels = sheet(len(shown), theme, height=_LOW_PANEL)
    error = np.asarray(errors, dtype=float)
    for axes, column in zip(panels, shown, strict=True):
        axes.axhline(0, color=theme.ink, linewidth=0.8, zorder=1)
        if column.kind is Kind.NUMBER:
            _points(axes, np.array(column.values, dtype=float), error, theme)
        else:
            _words(axes, column, error, theme)
        quiet_axes(axes, x=column.name, y=f"predicted minus measured ({target.unit})", theme=theme)
    return render(figure)


def _points(
    axes: Axes,
    along: np.ndarray[tuple[int], np.dtype[np.float64]],
    error: np.ndarray[tuple[int], np.dtype[np.float64]],
    theme: Theme,
) -> None:
    axes.plot(
        along,
        error,
        linestyle="none",
        marker="o",
        markersize=3.4,
        color=theme.colours[0],
        markeredgecolor=theme.paper,
        markeredgewidth=0.3,
        zorder=3,
    )


def _words(
    axes: Axes, column: Column, error: np.ndarray[tuple[int], np.dtype[np.float64]], theme: Theme
) -> None:
    """Words in their order, photos of one word a little apart, and the median of each."""
    words = pd.Series(column.values, dtype="object")
    order = sorted(words.dropna().astype(str).unique())
    place = words.map({word: k for k, word in enumerate(order)}).to_numpy(dtype=float)
    shift = 0.5 * ((np.arange(len(place)) * 0.618034) % 1 - 0.5)
    _points(axes, place + shift, error, theme)
    for k in range(len(order)):
        usual = float(np.median(error[place == k]))
        axes.plot([k - 0.36, k + 0.36], [usual, usual], color=theme.ink, linewidth=2, zorder=4)
    step = -(-len(order) // _MOST_NAMES)
    axes.set_xticks(range(0, len(order), step), [word[:_LETTERS] for word in order[::step]])
    axes.tick_params(axis="x", labelrotation=35 if len(order) > 4 else 0)  # noqa: PLR2004
