"""What a machine can do, as one figure: tiles a second, and where the hours of a folder go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from biomass_pipeline.benchmark import Benchmark, FolderLoad, ModelRates
from biomass_pipeline.reporting.canvas import LIGHT, Theme, as_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_INCHES: Final = 10.6
_BAR_INCHES: Final = 0.27
_FRAME_INCHES: Final = 1.05
_BAR: Final = 0.68
_PAD_INCHES: Final = 0.09
# Room right of the longest bar for its number.
_MARGIN: Final = 1.42
_UNITS: Final = (("hours", 1), ("minutes", 60), ("seconds", 3600))
_MILLION: Final = FolderLoad("a million tiles", 0, 0, 10**6, 0, 0)
_COLOURS: Final = {"matrix products": -1, "backbone": 0, "pipeline": 1, "decode": 2, "cache": 3}


@dataclass(frozen=True)
class _Bar:
    label: str
    kind: str
    value: float
    note: str = ""


def speed_figure(benchmark: Benchmark, *, theme: Theme = LIGHT) -> bytes:
    """Draw a row of two panels for each backbone.

    Left, tiles a second: matrix products of the network's shape, the bare backbone with its share
    of them, and the pipeline with its share of the backbone. Right, how long each stage would take
    if it were alone, for the folder that was asked about or else a million tiles.

    Args:
        benchmark: At least one backbone.
        theme: The colours of the page.

    Returns:
        A PNG.
    """
    return as_png(draw_speed(benchmark, theme=theme))


def draw_speed(benchmark: Benchmark, *, theme: Theme = LIGHT) -> Figure:
    """The same as a figure that can still be changed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # only who draws pays for it
    from matplotlib.figure import Figure  # noqa: PLC0415  # only who draws pays for it
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415  # only who draws pays for it

    rows = [(_rates(model), _stages(benchmark, model)) for model in benchmark.models]
    heights = [_FRAME_INCHES + _BAR_INCHES * max(map(len, row)) for row in rows]
    figure = Figure(
        figsize=(_WIDTH_INCHES, sum(heights) + 0.35),
        layout=ConstrainedLayoutEngine(h_pad=_PAD_INCHES),
        facecolor=theme.paper,
    )
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), 2, height_ratios=heights, width_ratios=[1.15, 1])
    for number, (model, row) in enumerate(zip(benchmark.models, rows, strict=True)):
        stages, unit = _in_a_unit(row[1])
        titles = f"{model.model}: tiles a second", f"{unit} for {_load(benchmark)}"
        for column, (bars, title) in enumerate(zip((row[0], stages), titles, strict=True)):
            axes = figure.add_subplot(grid[number, column])
            _panel(axes, bars, title=title, theme=theme)
            # As many places in both panels, so that bars are equally thick.
            axes.set_ylim(max(map(len, row)) - 0.4, -0.6)
    heading = figure.suptitle(_machine(benchmark), fontsize=9, color=theme.ink)
    heading.set_parse_math(False)
    return figure


def _rates(model: ModelRates) -> list[_Bar]:
    bars = []
    for rate in model.precisions:
        name = f"{rate.precision} " if rate.precision else ""
        ideal, ratio = model.ideal_tiles_per_s(rate), model.over_gemm(rate)
        if ideal is not None and not rate.precision.endswith("autocast"):
            bars.append(_Bar(f"{name}matrix products", "matrix products", ideal))
        share = "" if ratio is None else f"{ratio:.0%} of its products"
        bars.append(_Bar(f"{name}backbone", "backbone", rate.tiles_per_s, share))
    name = f"{model.precision} " if model.precision else ""
    share = f"{model.pipeline_over_bare:.0%} of the backbone"
    return [*bars, _Bar(f"{name}pipeline", "pipeline", model.pipeline_tiles_per_s, share)]


def _stages(benchmark: Benchmark, model: ModelRates) -> list[_Bar]:
    folder = benchmark.folder or _MILLION
    stages = benchmark.stage_tiles_per_s(model)
    names = {"decode": "decode and cut", "cache": "cache write"}
    bars = [
        _Bar(f"{names.get(stage, stage)} alone", stage, folder.hours(rate))
        for stage, rate in stages.items()
    ]
    return [*bars[:-1], _Bar("pipeline", "pipeline", bars[-1].value, "all at once")]


def _in_a_unit(bars: Sequence[_Bar]) -> tuple[list[_Bar], str]:
    """Hours as such, or as minutes or seconds where the longest is shorter than one."""
    longest_h = max(bar.value for bar in bars)
    unit, factor = next((u for u in _UNITS if longest_h * u[1] >= 1), _UNITS[-1])
    return [replace(bar, value=bar.value * factor) for bar in bars], unit


def _load(benchmark: Benchmark) -> str:
    folder = benchmark.folder
    if folder is None:
        return "a million tiles"
    return f"{folder.n_photos:,} photos, {folder.n_tiles:,} tiles"


def _machine(benchmark: Benchmark) -> str:
    machine = benchmark.machine
    gpus = [gpu["name"] for gpu in machine["gpus"]]
    parts = [
        *gpus,
        f"{machine['processor']}, {machine['cores']} cores",
        f"{machine['memory_gib']:.0f} GiB",
        f"torch {benchmark.versions.get('torch', 'none')}",
    ]
    return ", ".join(parts)


def _panel(axes: Axes, bars: Sequence[_Bar], *, title: str, theme: Theme) -> None:
    largest = max(bar.value for bar in bars)
    for place, bar in enumerate(bars):
        colour = theme.faint if bar.kind == "matrix products" else theme.colours[_COLOURS[bar.kind]]
        axes.barh(place, bar.value, height=_BAR, color=colour, zorder=2)
        note = f", {bar.note}" if bar.note else ""
        axes.annotate(
            f"{_number(bar.value)}{note}",
            (bar.value, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=theme.ink,
        )
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axes.set(xlim=(0, largest * _MARGIN), facecolor=theme.paper)
    axes.set_title(title, fontsize=9, color=theme.ink, loc="left", parse_math=False)
    axes.grid(axis="x", color=theme.faint, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.ink, labelsize=8, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
        spine.set_color(theme.ink)


def _number(value: float) -> str:
    """Three figures, without an exponent."""
    if value >= 100:  # noqa: PLR2004  # three figures
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.01 else "< 0.01"  # noqa: PLR2004  # of what others take
