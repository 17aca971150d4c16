"""Paper, ink and panels: what every figure is drawn on. No windows, no state of the process."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure


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

MARKERS: Final = "os^DvPX*"

_MAX_COLUMNS: Final = 3
_PANEL_INCHES: Final = 3.3
_LEGEND_INCHES: Final = 0.5
_LETTERS: Final = 45
_LETTER_INCHES: Final = 0.075  # a wide letter at the legend's size
_DPI: Final = (110, 90, 70)  # the first that fits below the limit
_LIMIT_BYTES: Final = 95_000
_PALETTE: Final = 96  # colours of the PNG; antialiasing needs the most of them


@dataclass(frozen=True)
class Look:
    """How one thing is told apart from others in all panels."""

    name: str
    colour: str
    marker: str


def looks_of(names: Sequence[str], theme: Theme) -> list[Look]:
    """A colour and a marker each, for as many names as there are colours."""
    return [
        Look(name, colour, marker)
        for name, colour, marker in zip(names, theme.colours, MARKERS, strict=False)
    ]


def sheet(n_panels: int, theme: Theme, *, height: float = 1.12) -> tuple[Figure, list[Axes]]:
    """An empty figure with so many panels, side by side and then below.

    Args:
        n_panels: At least one.
        theme: The colours of the page.
        height: Of a panel, in widths.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # only who draws pays for it
    from matplotlib.figure import Figure  # noqa: PLC0415  # only who draws pays for it

    n_columns = min(n_panels, _MAX_COLUMNS)
    n_rows = math.ceil(n_panels / n_columns)
    # A lone panel would leave no room for its legend at this width.
    width = _PANEL_INCHES * max(n_columns, 1.6)
    figure = Figure(
        figsize=(width, _PANEL_INCHES * height * n_rows + _LEGEND_INCHES),
        layout="constrained",
        facecolor=theme.paper,
    )
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(n_rows, n_columns, k + 1) for k in range(n_panels)]


def quiet_axes(axes: Axes, *, x: str, y: str, theme: Theme) -> None:
    """Thin grid, two spines, and titles with their units, shown as they are."""
    axes.grid(color=theme.faint, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.ink, labelsize=7.5, length=2.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(theme.ink)
    for axis, word in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_label_text(word, fontsize=8, color=theme.ink, parse_math=False)


def name_below(
    figure: Figure, looks: Sequence[Look], *, theme: Theme, title: str | None = None
) -> None:
    """A legend below the panels, in as many columns as fit."""
    from matplotlib.lines import Line2D  # noqa: PLC0415  # only who draws pays for it

    legend = figure.legend(
        [
            Line2D([], [], color=look.colour, marker=look.marker, linestyle="none", markersize=5)
            for look in looks
        ],
        [_label(look.name) for look in looks],
        loc="outside lower center",
        title=title,
        title_fontproperties={"size": 8},
        ncols=_fitting(looks, figure),
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


def _fitting(looks: Sequence[Look], figure: Figure) -> int:
    """How many legend entries fit side by side."""
    letters = max((len(_label(look.name)) for look in looks), default=0)
    widest_inches = 0.5 + _LETTER_INCHES * letters
    return min(len(looks), max(int(figure.get_figwidth() / widest_inches), 1))


def as_png(figure: Figure) -> bytes:
    """The figure with a palette, at the finest resolution that keeps it small."""
    canvas, png = cast("FigureCanvasAgg", figure.canvas), b""
    for dpi in _DPI:
        figure.set_dpi(dpi)
        # Not `savefig`, which draws everything twice.
        canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's backends have no types
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # as above
        drawn = Image.fromarray(pixels[..., :3])
        compressed = io.BytesIO()
        small = drawn.quantize(_PALETTE, dither=Image.Dither.NONE)
        small.save(compressed, format="PNG", optimize=True, dpi=(dpi, dpi))
        png = compressed.getvalue()
        if len(png) < _LIMIT_BYTES:
            break
    return png


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, letters as shapes, the same bytes for the same figure."""
    from matplotlib import rc_context  # noqa: PLC0415  # only who draws pays for it

    with rc_context({"svg.hashsalt": "biomass_pipeline"}):
        return _saved(figure, "svg", {"Date": None, "Creator": None})


def as_pdf(figure: Figure) -> bytes:
    """The figure as PDF, the same bytes for the same figure."""
    return _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, facecolor=figure.get_facecolor(), metadata=metadata)
    return stream.getvalue()


# What a figure becomes: PNG, SVG or PDF.
Rendering = Callable[["Figure"], bytes]
