"""Interactive charts as Vega-Lite: what is drawn, without data and without colours.

The page's script puts the rows in, chooses the target and the model, and opens photos. A row is a
photo: `id, measured, predicted, low, high, error, colour, along, shift`. What stands in braces in a
title is replaced by the page.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import altair as alt

UNIT: Final = "{unit}"
COLOUR: Final = "{colour}"
ALONG: Final = "{along}"
_SCATTER_PX: Final = 440
_RESIDUAL_PX: Final = 320
# The photo that the keyboard is at, in the page's script too.
_AT: Final = "at"
_MOST_COLOURS: Final = 8


class Kind(StrEnum):
    """What a column of the labels holds."""

    CATEGORY = "category"  # a few words
    ORDER = "order"  # many words, in their order
    NUMBER = "number"
    DATE = "date"


def kind_of_words(n_values: int) -> Kind:
    """How words are coloured: each its own while there are colours, else in shades."""
    return Kind.CATEGORY if n_values <= _MOST_COLOURS else Kind.ORDER


_TYPES: Final = {
    Kind.CATEGORY: "nominal",
    Kind.ORDER: "ordinal",
    Kind.NUMBER: "quantitative",
    Kind.DATE: "temporal",
}
# Their values stand in the legend one by one.
_NAMED: Final = frozenset({Kind.CATEGORY, Kind.ORDER})


def scatter_spec(kind: Kind) -> dict[str, Any]:
    """Predicted against measured, with intervals and the line of agreement.

    Args:
        kind: Of the column that colours the points.
    """
    import altair as alt  # noqa: PLC0415  # only a report needs it

    scale = alt.Scale(domainMin=alt.expr("low_end"), domainMax=alt.expr("high_end"), nice=False)
    measured = alt.X("measured:Q", scale=scale, title=f"measured ({UNIT})")
    predicted = alt.Y("predicted:Q", scale=scale, title=f"predicted ({UNIT})")
    picked = alt.selection_point(name="picked", fields=["colour"], bind="legend")
    agreement = (
        alt.Chart(alt.NamedData("ends"))
        .mark_line(style="agreement", clip=True)
        .encode(x=alt.X("end:Q", scale=scale), y=alt.Y("end:Q", scale=scale))
    )
    look = {"x": measured, "color": _colour(kind)}
    intervals = (
        _points()
        .transform_filter("isValid(datum.low)")
        .mark_rule(clip=True, style="interval")
        .encode(
            y=alt.Y("low:Q", scale=scale),
            y2="high:Q",
            opacity=_opacity(picked, kind, shown=0.4, faded=0.03),
            **look,
        )
    )
    opacity = _opacity(picked, kind, shown=1, faded=0.06)
    photos = _points().mark_point(style="photo", filled=True)
    photos = photos.encode(y=predicted, opacity=opacity, **look)
    if kind in _NAMED:
        photos = photos.add_params(picked)
    layers = alt.layer(agreement, intervals, photos, _chosen().encode(x=measured, y=predicted))
    at = alt.param(name=_AT, value="")
    return as_wide_as_there_is_room(
        layers.add_params(at), _SCATTER_PX, numbers=("low_end", "high_end")
    )


def residual_spec(kind: Kind) -> dict[str, Any]:
    """Predicted minus measured along a column, with what is usual: a median or a smooth line.

    Args:
        kind: Of the column.
    """
    import altair as alt  # noqa: PLC0415  # as above

    words = kind in {Kind.CATEGORY, Kind.ORDER}
    along = alt.X(
        f"along:{_TYPES[kind][0].upper()}",
        title=ALONG,
        axis=alt.Axis(labelAngle=-40 if kind is Kind.ORDER else 0, labelOverlap=True),
        scale=alt.Scale(zero=False) if kind is Kind.NUMBER else alt.Undefined,
    )
    error = alt.Y("error:Q", title=f"predicted minus measured ({UNIT})")
    zero = alt.Chart(alt.NamedData("ends")).mark_rule(style="agreement").encode(y=alt.datum(0))
    photos = _points().mark_point(style="photo", filled=True).encode(x=along, y=error)
    chosen = _chosen().encode(x=along, y=error)
    if words:
        # Photos of one value stand a little apart, so that none hides another.
        shift = alt.XOffset("shift:Q", scale=alt.Scale(domain=[-1.5, 1.5]))
        photos, chosen = photos.encode(xOffset=shift), chosen.encode(xOffset=shift)
        usual = _points().mark_tick(style="median").encode(x=along, y=alt.Y("median(error):Q"))
    else:
        usual = (
            _points()
            .mark_line(style="smooth")
            .transform_loess("along", "error", bandwidth=0.6)
            .encode(x=along, y=error)
        )
    at = alt.param(name=_AT, value="")
    layers = alt.layer(zero, photos, usual, chosen).add_params(at)
    return as_wide_as_there_is_room(layers, _RESIDUAL_PX)


def as_wide_as_there_is_room(
    layers: "alt.LayerChart | alt.FacetChart", height_px: int, *, numbers: Sequence[str] = ()
) -> dict[str, Any]:
    """A specification as it stands in the page, without colours: the page brings its theme's.

    Args:
        layers: The chart.
        height_px: Of the drawing, without axes and legend.
        numbers: Parameters that the page sets.
    """
    import altair as alt  # noqa: PLC0415  # as above

    params = [alt.param(name=name, value=0) for name in numbers]
    spec: dict[str, Any] = (
        layers.add_params(*params).properties(width="container", height=height_px).to_dict()
    )
    spec.pop("config", None)
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return spec


def _points() -> "alt.Chart":
    import altair as alt  # noqa: PLC0415  # as above

    return alt.Chart(alt.NamedData("points"))


def _chosen() -> "alt.Chart":
    """A ring around the photo that the keyboard is at."""
    import altair as alt  # noqa: PLC0415  # as above

    at = _points().transform_filter(f"datum.id === {_AT}")
    chart: alt.Chart = at.mark_point(style="chosen", filled=False)
    return chart


def _opacity(picked: "alt.Parameter", kind: Kind, *, shown: float, faded: float) -> Any:  # noqa: ANN401  # Altair has a type for each case
    """Of what was picked in the legend, and of the rest; a gradient has nothing to pick."""
    import altair as alt  # noqa: PLC0415  # as above

    value = alt.value(shown)
    return alt.condition(picked, value, alt.value(faded)) if kind in _NAMED else value


def _colour(kind: Kind) -> "alt.Color":
    import altair as alt  # noqa: PLC0415  # as above

    # Numbers have a gradient; dates are listed like names.
    legend = alt.Legend(
        orient="bottom", columns=4, symbolLimit=24, symbolOpacity=1, gradientLength=240
    )
    return alt.Color(f"colour:{_TYPES[kind][0].upper()}", title=COLOUR, legend=legend)
