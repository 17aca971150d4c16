"""Figures of calibration: where measured values fell in what was predicted for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

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
from biomass_pipeline.reporting.trust import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOW_PANEL: Final = 0.62  # of its width
_LEAST_TOP: Final = 0.25  # an even histogram of ten bins stays below half of the panel
_FEW_ZEROS: Final = 0.0


def pit_figure(
    calibration: Mapping[str, Calibration], *, theme: Theme = LIGHT, render: Rendering = as_png
) -> bytes:
    """Draw each target's PIT histogram; the line is where even bars would end.

    Args:
        calibration: By target, at least one.
        theme: The colours of the page.
        render: What the figure becomes.

    Returns:
        One panel a target.
    """
    figure, panels = sheet(len(calibration), theme, height=_LOW_PANEL)
    top = max(_LEAST_TOP, *(1.08 * max(found.pit) for found in calibration.values()))
    for axes, (name, found) in zip(panels, calibration.items(), strict=True):
        n_bins = len(found.pit)
        left = np.arange(n_bins) / n_bins
        axes.bar(
            left,
            found.pit,
            width=0.92 / n_bins,
            align="edge",
            color=theme.colours[0],
            zorder=2,
        )
        axes.axhline(1 / n_bins, color=theme.ink, linewidth=0.9, linestyle=(0, (4, 3)), zorder=3)
        axes.set(xlim=(0, 1), ylim=(0, top))
        axes.set_title(name, fontsize=9, color=theme.ink, parse_math=False)
        quiet_axes(axes, x="place among predicted values", y="share of photos", theme=theme)
    return render(figure)


def calibration_figure(
    calibration: Mapping[str, Calibration], *, theme: Theme = LIGHT, render: Rendering = as_png
) -> bytes:
    """Draw promised against observed: coverage of intervals, and presence where there are zeros.

    Args:
        calibration: By target, at least one.
        theme: The colours of the page.
        render: What the figure becomes.

    Returns:
        One panel, or of two where some target was measured as zero.
    """
    looks = dict(zip(calibration, looks_of(list(calibration), theme), strict=False))
    zeros = {name: found for name, found in calibration.items() if found.zeros > _FEW_ZEROS}
    figure, panels = sheet(2 if zeros else 1, theme)
    for name, look in looks.items():
        levels = [line for line in calibration[name].levels if line.covered is not None]
        _line(panels[0], [(line.level, line.covered or 0.0) for line in levels], look)
        if name in zeros:
            points = [(point.stated, point.observed) for point in zeros[name].reliability]
            _line(panels[1], points, look)
    _square(panels[0], "Intervals", x="coverage promised", y="coverage observed", theme=theme)
    if zeros:
        _square(
            panels[1],
            "Is anything there?",
            x="probability stated",
            y="share of photos where it was",
            theme=theme,
        )
    name_below(figure, list(looks.values()), theme=theme)
    return render(figure)


def _line(axes: Axes, points: list[tuple[float, float]], look: Look) -> None:
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=look.colour,
        marker=look.marker,
        markersize=4.5,
        linewidth=1.1,
        zorder=3,
        clip_on=False,
    )


def _square(axes: Axes, title: str, *, x: str, y: str, theme: Theme) -> None:
    axes.plot([0, 1], [0, 1], color=theme.ink, linewidth=0.8, zorder=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_title(title, fontsize=9, color=theme.ink)
    quiet_axes(axes, x=x, y=y, theme=theme)
