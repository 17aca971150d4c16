"""A map drawn over its photo, as a PNG for people: colours, numbers, and a bar to read both."""

import io
import math
import textwrap
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from biomass_pipeline.reporting.canvas import LIGHT, Theme
from biomass_pipeline.reporting.maps.ground import Ground
from biomass_pipeline.reporting.maps.paint import paint, seen_colours
from biomass_pipeline.reporting.maps.tile_map import DensityGrid, TileMap, picture_edges

Pixels = NDArray[np.uint8]

_MOST_NUMBERS: Final = 60
_NOTE_LETTERS: Final = 125
_CAPTION_LETTERS: Final = 100
_WIDE: Final = 1.3  # photos wider than this are set one above the other
_INK: Final = LIGHT.ink  # on the map, whatever the page


@dataclass(frozen=True)
class Drawing:
    """How a map is drawn.

    Attributes:
        title: The headline; None: the target with its prediction.
        note: A sentence below, such as which model speaks.
        with_photo: The photo beside the map, as it is.
        width_px: Of the picture, about.
        top: What the strongest colour stands for, in kg DM/ha, or in the target's unit where that
            is not g; None: the largest value on this map. Maps to be compared need the same.
        palette: Reduce the picture to so many colours; None: all. A few make a small file.
        theme: Paper and ink.
    """

    title: str | None = None
    note: str = ""
    with_photo: bool = True
    width_px: int = 1400
    top: float | None = None
    palette: int | None = None
    theme: Theme = LIGHT


def overlay_png(
    photo: Pixels,
    tile_map: TileMap,
    *,
    ground: Ground,
    drawing: Drawing | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> bytes:
    """Draw a map over its photo: the tiles blended on as many equal cells as there are tiles.

    Args:
        photo: Shape (row, col, 3), upright, of the map's aspect; any resolution.
        tile_map: What lies where.
        ground: What the photo's pixels are on the ground.
        drawing: How.
        valid: Shape (row, col) of the photo: where there is anything to map; None: everywhere.
    """
    look = drawing or Drawing()
    return _png(_drawn(photo, tile_map, ground=ground, look=look, valid=valid), look)


def _drawn(
    photo: Pixels,
    tile_map: TileMap,
    *,
    ground: Ground,
    look: Drawing,
    valid: NDArray[np.bool_] | None,
) -> Figure:
    size_px = (tile_map.height_px, tile_map.width_px)
    grid = tile_map.grid(*picture_edges(tile_map.boxes, size_px))
    scale = ground.kg_dm_ha if tile_map.unit == "g" else 1.0
    largest = float(np.nan_to_num(grid.density).max(initial=0.0)) * scale
    colours = Normalize(0.0, look.top if look.top is not None else largest or 1.0)
    figure, panels, bar = _sheet(tile_map, look)
    painted = paint(photo, colours(_at(grid, photo.shape) * scale), valid=valid)
    if look.with_photo:
        _show(panels[0], photo, grid, caption="The photo", theme=look.theme)
    # Of an orthomosaic, parts of a mean would say nothing.
    numbered = grid.density.size <= _MOST_NUMBERS and ground.px_area_m2 is None
    caption = _caption(tile_map, numbered=numbered)
    _show(panels[-1], painted, grid, caption=caption, theme=look.theme)
    if numbered:
        _number(panels[-1], grid)
    elif ground.px_area_m2 is not None:
        _draw_scale(panels[-1], tile_map.width_px, px_m=math.sqrt(ground.px_area_m2))
    _draw_bar(bar, colours, unit="kg DM/ha" if tile_map.unit == "g" else tile_map.unit, look=look)
    if tile_map.unit == "g":
        _add_grams(bar, grid, tile_map=tile_map, ground=ground, theme=look.theme)
    _write(figure, look.title or headline(tile_map, ground), look)
    return figure


def headline(tile_map: TileMap, ground: Ground) -> str:
    """The prediction in a line."""
    if tile_map.unit != "g":
        return f"{tile_map.target}: {figure_of(tile_map.total)} {tile_map.unit}"
    per_ha = f"{figure_of(tile_map.total * ground.kg_dm_ha)} kg DM/ha"
    if ground.px_area_m2 is not None:
        return f"{tile_map.target}: {per_ha} on average"
    return f"{tile_map.target}: {figure_of(tile_map.total)} g in the photo, {per_ha}"


def figure_of(value: float) -> str:
    """Three significant digits, thousands set apart, never in powers of ten.

    >>> [figure_of(value) for value in (1234.5, 19.84, 0.0123, 0.0)]
    ['1,230', '19.8', '0.0123', '0']
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    whole = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, whole):,.{_digits(value)}f}"


def _digits(value: float) -> int:
    """Digits after the point that give three significant ones; four at most."""
    return min(max(2 - math.floor(math.log10(abs(value))), 0), 4) if value else 0


def _at(grid: DensityGrid, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The density at the middle of each pixel of a picture of the whole photo."""
    rows, cols = (
        np.searchsorted(edges, (np.arange(n) + 0.5) * edges[-1] / n, side="right") - 1
        for edges, n in ((grid.row_edges, shape[0]), (grid.col_edges, shape[1]))
    )
    return np.asarray(np.nan_to_num(grid.density)[np.ix_(rows, cols)], dtype=np.float64)


def _cell_px(grid: DensityGrid) -> float:
    """The pixels of a cell; they are equal but for less than a row and a column."""
    return float(grid.row_edges[-1] * grid.col_edges[-1]) / grid.density.size


def _sheet(tile_map: TileMap, look: Drawing) -> tuple[Figure, list[Axes], Axes]:
    """A figure with its panels, and the colour bar's place beside the last."""
    aspect = tile_map.width_px / tile_map.height_px
    n_panels = 2 if look.with_photo else 1
    n_rows = n_panels if aspect > _WIDE else 1
    n_cols = n_panels // n_rows
    width_inches = 8.0
    panel_inches = (width_inches - 1.3) / n_cols / aspect
    height_inches = max((panel_inches + 0.35) * n_rows + 0.75, 2.6)
    figure = Figure(
        figsize=(width_inches, height_inches), layout="constrained", facecolor=look.theme.paper
    )
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(n_rows, n_cols + 1, width_ratios=[*[1.0] * n_cols, 0.03])
    places = [(row, col) for row in range(n_rows) for col in range(n_cols)]
    panels = [figure.add_subplot(grid[row, col]) for row, col in places]
    return figure, panels, figure.add_subplot(grid[n_rows - 1, n_cols])


def _show(axes: Axes, picture: Pixels, grid: DensityGrid, *, caption: str, theme: Theme) -> None:
    """A picture in the photo's pixels, without scales."""
    extent = (0.0, float(grid.col_edges[-1]), float(grid.row_edges[-1]), 0.0)
    axes.imshow(picture, extent=extent, interpolation="antialiased")
    axes.set_axis_off()
    # Beside another panel there is half the room for words.
    letters = (
        _CAPTION_LETTERS
        if grid.col_edges[-1] > _WIDE * grid.row_edges[-1]
        else _CAPTION_LETTERS // 2
    )
    wrapped = textwrap.fill(caption, letters)
    axes.set_title(wrapped, fontsize=9, color=theme.ink, loc="left", parse_math=False)


def _number(axes: Axes, grid: DensityGrid) -> None:
    """What lies in each cell, and the lines between them."""
    for edge in grid.row_edges[1:-1].tolist():
        axes.axhline(edge, color="white", linewidth=0.7, alpha=0.8)
    for edge in grid.col_edges[1:-1].tolist():
        axes.axvline(edge, color="white", linewidth=0.7, alpha=0.8)
    y, x = ((edges[:-1] + edges[1:]) / 2 for edges in (grid.row_edges, grid.col_edges))
    amounts = grid.amounts
    digits = _digits(float(amounts.max(initial=0.0)))
    for (row, col), amount in np.ndenumerate(amounts):
        if grid.valid_px[row, col]:
            axes.text(
                float(x[col]),
                float(y[row]),
                f"{amount:,.{digits}f}",
                ha="center",
                va="center",
                fontsize=9,
                color="white",
                path_effects=[patheffects.withStroke(linewidth=2.2, foreground=_INK)],
            )


def _draw_scale(axes: Axes, width_px: int, *, px_m: float) -> None:
    """A bar of a round number of metres, about a fifth of the map's width."""
    rough = width_px * px_m / 5
    power = 10.0 ** math.floor(math.log10(rough))
    metres = max(step for step in (1, 2, 5) if step * power <= rough) * power
    start, y = 0.03, 0.05
    stop = start + metres / (width_px * px_m)
    edge = [patheffects.withStroke(linewidth=5, foreground="white")]
    axes.plot(
        [start, stop], [y, y], transform=axes.transAxes, color=_INK, lw=2.5, path_effects=edge
    )
    axes.text(
        (start + stop) / 2,
        y + 0.015,
        f"{metres:g} m",
        transform=axes.transAxes,
        ha="center",
        va="bottom",
        fontsize=9,
        color=_INK,
        path_effects=[patheffects.withStroke(linewidth=2.5, foreground="white")],
    )


def _caption(tile_map: TileMap, *, numbered: bool) -> str:
    """How the map is read."""
    if tile_map.kind == "attention":
        meaning = "The prediction divided up by where the networks looked, not by where it grows"
    else:
        meaning = f"Where the networks find {tile_map.target}"
    if not numbered:
        return meaning
    total = f"{figure_of(tile_map.total)} {tile_map.unit}"
    if tile_map.unit == "g":
        return f"{meaning}: g in each cell, {total} in all"
    return f"{meaning}: each cell's part of {total}"


def _draw_bar(axes: Axes, colours: Normalize, *, unit: str, look: Drawing) -> None:
    figure = axes.get_figure()
    if figure is None:
        return
    # As they look over the photo, where it is of middling grey.
    seen = seen_colours(256)
    bar = figure.colorbar(ScalarMappable(colours, ListedColormap([*seen])), cax=axes)
    bar.outline.set_visible(False)
    axes.set_ylabel(unit, fontsize=9, color=look.theme.ink, parse_math=False)
    axes.tick_params(labelsize=8, colors=look.theme.ink, length=2.5)


def _add_grams(
    axes: Axes, grid: DensityGrid, *, tile_map: TileMap, ground: Ground, theme: Theme
) -> None:
    """A second scale, of what lies in one whole cell."""
    quadrats = ground.share_of_quadrat(_cell_px(grid), of_px=tile_map.n_valid_px)
    factor = quadrats / ground.kg_dm_ha

    def forth(values: ArrayLike) -> ArrayLike:
        return np.asarray(values) * factor

    def back(values: ArrayLike) -> ArrayLike:
        return np.asarray(values) / factor

    other = axes.secondary_yaxis("left", functions=(forth, back))
    area = (
        ""
        if ground.px_area_m2 is None
        else f" of {figure_of(quadrats * ground.quadrat_area_m2)} m²"
    )
    other.set_ylabel(f"g per cell{area}", fontsize=9, color=theme.ink)
    other.tick_params(labelsize=8, colors=theme.ink, length=2.5)


def _write(figure: Figure, title: str, look: Drawing) -> None:
    words = {"x": 0.01, "ha": "left", "color": look.theme.ink, "parse_math": False}
    figure.suptitle(title, fontsize=13, fontweight="bold", **words)
    if look.note:
        figure.supxlabel(textwrap.fill(look.note, _NOTE_LETTERS), fontsize=8, **words)


def _png(figure: Figure, look: Drawing) -> bytes:
    drawn = io.BytesIO()
    dpi = look.width_px / figure.get_figwidth()
    figure.savefig(drawn, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    if look.palette is None:
        return drawn.getvalue()
    small = io.BytesIO()
    with Image.open(drawn) as whole:
        few = whole.convert("RGB").quantize(look.palette, dither=Image.Dither.NONE)
        few.save(small, format="PNG", optimize=True)
    return small.getvalue()
