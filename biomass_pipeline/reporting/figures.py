"""Figures as PNG bytes. Drawn without any state of the process: no windows, no global settings."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.scoring import score_target


@dataclass(frozen=True)
class Theme:
    """The colours of paper and ink, so that a figure sits well on a light or a dark page."""

    paper: str
    ink: str
    faint: str
    colours: tuple[str, ...]
    dates: tuple[float, float]


# Colours that stay apart for colour-blind readers: Okabe and Ito, https://jfly.uni-koeln.de/color/,
# with the yellow and the black darkened or lightened to be seen on the paper.
LIGHT: Final = Theme(
    paper="#ffffff",
    ink="#1f2a24",
    faint="#c9d2cc",
    colours=(
        "#0072b2",
        "#d55e00",
        "#009e73",
        "#cc79a7",
        "#b58900",
        "#56b4e9",
        "#5b4b9a",
        "#5f6b64",
    ),
    dates=(0.0, 0.85),
)
DARK: Final = Theme(
    paper="#18201c",
    ink="#e4ece7",
    faint="#3d4a43",
    colours=(
        "#56b4e9",
        "#f08a4b",
        "#2fc596",
        "#e39cc5",
        "#f0d44c",
        "#8fb7ff",
        "#b8a5f5",
        "#aab7b0",
    ),
    dates=(0.15, 1.0),
)

_MARKERS: Final = "os^DvPX*"
_MAX_COLUMNS: Final = 3
_PANEL_INCHES: Final = 3.3
_LEGEND_INCHES: Final = 0.5
_LETTERS: Final = 45
_LETTER_INCHES: Final = 0.075  # a wide letter at the legend's size
_DPI: Final = (110, 90, 70)  # the first that fits below the limit
_LIMIT_BYTES: Final = 95_000
_PALETTE: Final = 96  # colours of the PNG; antialiasing needs the most of them
_NAMED: Final = 8  # more groups than this are shades in order, with some of them named
_NAMED_SHADES: Final = 5


def predicted_against_measured(
    oof: pd.DataFrame, *, data: DataConfig, model: str, theme: Theme = LIGHT
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

    Returns:
        A PNG of one panel a target, below 100 kB for any ordinary survey.

    Raises:
        UndefinedScoreError: The model has no row, or a value that is not finite.
    """
    rows = oof[oof["model"] == model]
    rows = rows.assign(part=[_first_part(str(group)) for group in rows["group"]])
    looks = _looks(sorted(set(rows["part"])), theme)
    figure, panels = _sheet(len(data.targets), theme)
    for axes, target in zip(panels, data.targets, strict=True):
        _panel(axes, rows[rows["target"] == target.name], target=target, looks=looks, theme=theme)
    _legend(figure, looks, theme=theme)
    return as_png(figure)


@dataclass(frozen=True)
class _Look:
    name: str
    colour: str
    marker: str


def _first_part(group: str) -> str:
    return group.split("|", maxsplit=1)[0]


def _looks(names: Sequence[str], theme: Theme) -> list[_Look]:
    """Distinct colours for a few groups; shades from the first to the last for many."""
    if len(names) <= _NAMED:
        return [
            _Look(name, colour, marker)
            for name, colour, marker in zip(names, theme.colours, _MARKERS, strict=False)
        ]
    shades = mpl.colormaps["viridis"](np.linspace(*theme.dates, len(names)))
    return [
        _Look(name, to_hex(shade), marker)
        for name, shade, marker in zip(names, shades, cycle("o"), strict=False)
    ]


def _sheet(n_panels: int, theme: Theme) -> tuple[Figure, list[Axes]]:
    """An empty figure with so many square panels."""
    n_columns = min(n_panels, _MAX_COLUMNS)
    n_rows = math.ceil(n_panels / n_columns)
    # A lone panel would leave no room for its legend at this width.
    width = _PANEL_INCHES * max(n_columns, 1.6)
    figure = Figure(
        figsize=(width, _PANEL_INCHES * 1.12 * n_rows + _LEGEND_INCHES),
        layout="constrained",
        facecolor=theme.paper,
    )
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(n_rows, n_columns, k + 1) for k in range(n_panels)]


def _panel(
    axes: Axes,
    rows: pd.DataFrame,
    *,
    target: TargetConfig,
    looks: Sequence[_Look],
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
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", facecolor=theme.paper)
    r2 = "not defined" if score.r2 is None else f"{score.r2:.2f}"
    axes.set_title(
        f"{target.name}\nR² {r2}, RMSE {score.rmse:.3g} {target.unit}",
        fontsize=9,
        color=theme.ink,
        parse_math=False,
    )
    _ink(axes, unit=target.unit, theme=theme)


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """From zero, or below if something is, to a little above the largest point."""
    points = rows[["y_true", "y_pred"]].to_numpy(dtype=float)
    low, high = min(0.0, points.min()), max(0.0, points.max())
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _ink(axes: Axes, *, unit: str, theme: Theme) -> None:
    """Quiet axes with units."""
    axes.grid(color=theme.faint, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.ink, labelsize=7.5, length=2.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(theme.ink)
    for axis, word in ((axes.xaxis, "measured"), (axes.yaxis, "predicted")):
        axis.set_label_text(f"{word} ({unit})", fontsize=8, color=theme.ink, parse_math=False)


def _legend(figure: Figure, looks: Sequence[_Look], *, theme: Theme) -> None:
    named = list(looks)
    if len(looks) > _NAMED:
        named = [looks[round(k)] for k in np.linspace(0, len(looks) - 1, _NAMED_SHADES)]
    legend = figure.legend(
        [
            Line2D([], [], color=look.colour, marker=look.marker, linestyle="none", markersize=5)
            for look in named
        ],
        [_label(look.name) for look in named],
        loc="outside lower center",
        title=f"{len(named)} of {len(looks)} groups, in order" if named != list(looks) else None,
        title_fontproperties={"size": 8},
        ncols=_fitting(named, figure),
        frameon=False,
        fontsize=8,
        labelcolor=theme.ink,
        handletextpad=0.2,
    )
    legend.get_title().set_color(theme.ink)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _label(name: str) -> str:
    """A name that fits; one that starts with an underscore would be left out as it is."""
    short = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    return f"\N{ZERO WIDTH SPACE}{short}" if short.startswith("_") else short


def _fitting(named: Sequence[_Look], figure: Figure) -> int:
    """How many legend entries fit side by side."""
    letters = max((len(_label(look.name)) for look in named), default=0)
    widest_inches = 0.5 + _LETTER_INCHES * letters
    return min(len(named), max(int(figure.get_figwidth() / widest_inches), 1))


def as_png(figure: Figure) -> bytes:
    """The figure with a palette, at the finest resolution that keeps it small."""
    png = b""
    for dpi in _DPI:
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", dpi=dpi, facecolor=figure.get_facecolor())
        with Image.open(pixels) as drawn:
            small = drawn.convert("RGB").quantize(_PALETTE, dither=Image.Dither.NONE)
        compressed = io.BytesIO()
        small.save(compressed, format="PNG", optimize=True)
        png = compressed.getvalue()
        if len(png) < _LIMIT_BYTES:
            break
    return png
