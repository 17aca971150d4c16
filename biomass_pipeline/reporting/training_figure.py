"""The figure of a training: what each epoch did to the photos learnt from, and to the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import pandas as pd

from biomass_pipeline.reporting.canvas import (
    LIGHT,
    Look,
    Theme,
    as_png,
    looks_of,
    name_below,
    quiet_axes,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOW_PANEL: Final = 0.72  # of its width
_ROOM_ABOVE: Final = 1.08  # of the largest error


def training_figure(
    histories: Mapping[int, pd.DataFrame], best: Mapping[int, int], *, theme: Theme = LIGHT
) -> bytes:
    """Draw each network's loss and the error on its inner photos, epoch by epoch.

    Args:
        histories: By network from 0, at least one: `epoch, train_loss, inner_error`, the last in
            grams squared.
        best: By network, the epoch whose weights were kept; a ring marks it.
        theme: The colours of the page.

    Returns:
        A PNG of two panels.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  # only who draws pays for it

    figure, (left, right) = sheet(2, theme, height=_LOW_PANEL)
    # More networks than colours: the first ones stand for all.
    looks = dict(
        zip(histories, looks_of([f"network {n + 1}" for n in histories], theme), strict=False)
    )
    for number, look in looks.items():
        rows = histories[number]
        _curve(left, rows["epoch"], rows["train_loss"], look)
        error = rows["inner_error"] ** 0.5
        _curve(right, rows["epoch"], error, look)
        kept = rows["epoch"] == best.get(number)
        right.plot(
            rows["epoch"][kept] + 1,
            error[kept],
            marker="o",
            markersize=8,
            markerfacecolor="none",
            markeredgecolor=theme.ink,
            linestyle="none",
            zorder=4,
        )
    for axes, title in ((left, "Photos learnt from"), (right, "Training groups not learnt from")):
        axes.set_title(title, fontsize=9, color=theme.ink)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    highest = max(float(rows["inner_error"].max()) for rows in histories.values())
    right.set_ylim(0, _ROOM_ABOVE * highest**0.5)
    quiet_axes(left, x="epoch", y="training loss", theme=theme)
    quiet_axes(right, x="epoch (ring: kept)", y="weighted RMSE (g)", theme=theme)
    if len(looks) > 1:
        name_below(figure, list(looks.values()), theme=theme)
    return as_png(figure)


def _curve(axes: Axes, epochs: pd.Series[float], values: pd.Series[float], look: Look) -> None:
    axes.plot(epochs + 1, values, color=look.colour, linewidth=1.3, zorder=3)
