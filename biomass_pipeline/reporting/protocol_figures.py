"""Figures of protocols: scores by what is held out, and scores by the number of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

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
from biomass_pipeline.reporting.protocols import Protocols, curve_of, models_of
from biomass_pipeline.reporting.scores import MODEL_NAMES, model_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOW_PANEL: Final = 0.75  # of its width
_APART: Final = 0.16  # between models of one protocol, in lines


def protocol_figure(
    protocols: Protocols, *, theme: Theme = LIGHT, render: Rendering = as_png
) -> bytes:
    """Draw the global R2 of each model by protocol, hollow where the protocol is optimistic.

    Args:
        protocols: At least one that ran.
        theme: The colours of the page.
        render: What the figure becomes.

    Returns:
        One panel.
    """
    models = models_of(protocols)
    figure, (axes,) = sheet(1, theme, height=_LOW_PANEL)
    for number, look in enumerate(_model_looks(models, theme)):
        shift = _APART * (number - (len(models) - 1) / 2)
        for place, line in enumerate(protocols.lines):
            found = line.models.get(models[number])
            if found is not None and found.mean is not None:
                _dot(axes, look, (found.mean, place + shift), hollow=line.optimistic, theme=theme)
                bar = found.sd or 0.0
                ends = [found.mean - bar, found.mean + bar]
                axes.plot(ends, [place + shift] * 2, color=look.colour, linewidth=1.2, zorder=2)
    quiet_axes(axes, x="global weighted R²", y="", theme=theme)
    axes.set_yticks(range(len(protocols.lines)), [line.question for line in protocols.lines])
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_ylim(len(protocols.lines) - 0.5, -0.5)
    name_below(figure, _model_looks(models, theme), theme=theme)
    return render(figure)


def learning_curve_figure(
    protocols: Protocols, *, theme: Theme = LIGHT, render: Rendering = as_png
) -> bytes:
    """Draw the global R2 of each model over the number of training groups.

    Args:
        protocols: With a learning curve.
        theme: The colours of the page.
        render: What the figure becomes.

    Returns:
        One panel; bars are standard deviations over seeds.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  # only who draws pays for it

    models = list(dict.fromkeys(point.model for point in protocols.curve))
    figure, (axes,) = sheet(1, theme, height=_LOW_PANEL)
    looks = _model_looks(models, theme)
    for model, look in zip(models, looks, strict=False):
        points = curve_of(protocols, model)
        axes.errorbar(
            [point.n_train_groups for point in points],
            [point.mean for point in points],
            yerr=[point.sd or 0.0 for point in points],
            color=look.colour,
            marker=look.marker,
            markersize=4.5,
            linewidth=1.1,
            elinewidth=0.8,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    quiet_axes(axes, x="training groups", y="global weighted R²", theme=theme)
    name_below(figure, looks, theme=theme)
    return render(figure)


def _model_looks(models: Sequence[str], theme: Theme) -> list[Look]:
    """A look for each model, the same in every figure whichever others are there."""
    order = [*MODEL_NAMES, *sorted(set(models) - set(MODEL_NAMES))]
    known = dict(zip(order, looks_of([model_name(name) for name in order], theme), strict=False))
    return [known[name] for name in models if name in known]


def _dot(axes: Axes, look: Look, place: tuple[float, float], *, hollow: bool, theme: Theme) -> None:
    axes.plot(
        [place[0]],
        [place[1]],
        linestyle="none",
        marker=look.marker,
        markersize=5.5,
        markerfacecolor=theme.paper if hollow else look.colour,
        markeredgecolor=look.colour,
        zorder=3,
    )
