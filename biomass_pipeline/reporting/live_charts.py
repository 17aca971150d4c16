"""Calibration, protocols and learning curves as Vega-Lite charts with their data.

Each says what the still figure of the same name says. Panels stand side by side as room allows, so
the page's script sets how many columns a chart of panels has.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from biomass_pipeline.reporting.charts import as_wide_as_there_is_room
from biomass_pipeline.reporting.protocols import Protocols, curve_of, models_of
from biomass_pipeline.reporting.scores import MODEL_NAMES, model_name
from biomass_pipeline.reporting.trust import Calibration

if TYPE_CHECKING:
    import altair as alt

_PANEL_PX: Final = 210
_LOW_PANEL_PX: Final = 130
_LINE_PX: Final = 62
_CURVE_PX: Final = 300
_COVERAGE, _PRESENCE = "Intervals", "Is anything there?"


def calibration_chart(calibration: Mapping[str, Calibration]) -> dict[str, Any]:
    """Promised against observed: coverage of intervals, and presence where there are zeros."""
    import altair as alt  # noqa: PLC0415  # only a report needs it

    rows = [
        *(
            _point(_COVERAGE, name, line.level, line.covered)
            for name, found in calibration.items()
            for line in found.levels
            if line.covered is not None
        ),
        *(
            {**_point(_PRESENCE, name, point.stated, point.observed), "photos": point.n}
            for name, found in calibration.items()
            if found.zeros > 0
            for point in found.reliability
        ),
    ]
    share = alt.Scale(domain=[0, 1])
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    corners = [{"panel": p, "promised": end, "observed": end} for p in panels for end in (0, 1)]
    x = alt.X("promised:Q", scale=share, title="promised", axis=alt.Axis(format="%"))
    y = alt.Y("observed:Q", scale=share, title="observed", axis=alt.Axis(format="%"))
    chart = alt.Chart().transform_filter("datum.target != null")
    legend = alt.Legend(orient="bottom", columns=3)
    colour = alt.Color("target:N", title=None, sort=list(calibration), legend=legend)
    lines = chart.mark_line(point=True).encode(
        x=x,
        y=y,
        color=colour,
        tooltip=[
            "target:N",
            *(alt.Tooltip(f"{n}:Q", format=".0%") for n in ("promised", "observed")),
        ],
    )
    agreement = (
        alt.Chart().transform_filter("datum.target == null").mark_line(style="agreement")
    ).encode(x=x, y=y)
    sized = alt.layer(agreement, lines).properties(width=_PANEL_PX, height=_PANEL_PX)
    return _panels(sized, [*corners, *rows], by="panel", order=panels)


def pit_chart(calibration: Mapping[str, Calibration]) -> dict[str, Any]:
    """Each target's PIT histogram, and where even bars would end."""
    import altair as alt  # noqa: PLC0415  # as above

    rows = [
        {
            "target": name,
            "from": k / len(found.pit),
            "to": (k + 1) / len(found.pit),
            "share": each,
            "even": 1 / len(found.pit),
        }
        for name, found in calibration.items()
        for k, each in enumerate(found.pit)
    ]
    bars = (
        alt.Chart()
        .mark_bar(style="shares", binSpacing=2)
        .encode(
            x=alt.X("from:Q", bin="binned", title="place among predicted values"),
            x2="to:Q",
            y=alt.Y("share:Q", title="share of photos", axis=alt.Axis(format="%", tickCount=4)),
            tooltip=[alt.Tooltip("share:Q", format=".0%")],
        )
    )
    even = alt.Chart().mark_rule(style="even").encode(y="mean(even):Q")
    sized = alt.layer(bars, even).properties(width=_PANEL_PX, height=_LOW_PANEL_PX)
    return _panels(sized, rows, by="target", order=list(calibration))


def protocol_chart(protocols: Protocols) -> dict[str, Any]:
    """The global R2 of each model by protocol, hollow where the protocol is optimistic."""
    import altair as alt  # noqa: PLC0415  # as above

    questions = [line.question for line in protocols.lines]
    rows = [
        {
            "question": line.question,
            "model": model_name(model),
            "r2": found.mean,
            "low": found.mean - (found.sd or 0.0),
            "high": found.mean + (found.sd or 0.0),
            "optimistic": line.optimistic,
        }
        for line in protocols.lines
        for model, found in line.models.items()
        if found.mean is not None
    ]
    names = _names(models_of(protocols))
    colour = _model_colour(names)
    y = alt.Y("question:N", sort=questions, title=None, axis=alt.Axis(labelLimit=220))
    shift = alt.YOffset("model:N", sort=names)
    base = alt.Chart(alt.InlineData(values=rows))
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="global weighted R²"), x2="high:Q", y=y, yOffset=shift, color=colour
    )
    dots = base.mark_point(size=70, filled=True, strokeWidth=2).encode(
        x=alt.X("r2:Q", title="global weighted R²"),
        y=y,
        yOffset=shift,
        color=colour,
        fillOpacity=alt.condition("datum.optimistic", alt.value(0), alt.value(1)),
        tooltip=["model:N", "question:N", alt.Tooltip("r2:Q", format=".3f")],
    )
    return as_wide_as_there_is_room(alt.layer(bars, dots), _LINE_PX * len(questions) + 20)


def learning_curve_chart(protocols: Protocols) -> dict[str, Any]:
    """The global R2 of each model over the number of training groups."""
    import altair as alt  # noqa: PLC0415  # as above

    models = list(dict.fromkeys(point.model for point in protocols.curve))
    rows = [
        {
            "model": model_name(model),
            "groups": point.n_train_groups,
            "r2": point.mean,
            "low": point.mean - (point.sd or 0.0),
            "high": point.mean + (point.sd or 0.0),
        }
        for model in models
        for point in curve_of(protocols, model)
    ]
    names = _names(models)
    colour = _model_colour(names)
    x = alt.X("groups:Q", title="training groups", scale=alt.Scale(zero=False), axis=_WHOLE)
    base = alt.Chart(alt.InlineData(values=rows))
    lines = base.mark_line(point={"size": 60}).encode(
        x=x,
        y=alt.Y("r2:Q", title="global weighted R²", scale=alt.Scale(zero=False)),
        color=colour,
        tooltip=["model:N", "groups:Q", alt.Tooltip("r2:Q", format=".3f")],
    )
    bars = base.mark_rule().encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour)
    return as_wide_as_there_is_room(alt.layer(bars, lines), _CURVE_PX)


_WHOLE: Final = {"tickMinStep": 1, "format": "d"}


def _point(panel: str, target: str, promised: float, observed: float | None) -> dict[str, Any]:
    return {"panel": panel, "target": target, "promised": promised, "observed": observed}


def _panels(
    panel: "alt.LayerChart | alt.FacetChart",
    rows: Sequence[Mapping[str, Any]],
    *,
    by: str,
    order: Sequence[str],
) -> dict[str, Any]:
    """The same chart for each of some values."""
    import altair as alt  # noqa: PLC0415  # as above

    facet = alt.Facet(f"{by}:N", title=None, sort=list(order))
    whole = panel.facet(facet, data=alt.InlineData(values=[dict(row) for row in rows]), columns=3)
    spec: dict[str, Any] = whole.to_dict()
    spec.pop("config", None)
    return spec


def _names(models: Sequence[str]) -> list[str]:
    return [model_name(model) for model in models]


def _model_colour(names: Sequence[str]) -> "alt.Color":
    """A model has one colour in every chart, whichever others are there."""
    import altair as alt  # noqa: PLC0415  # as above

    known = list(MODEL_NAMES.values())
    order = [*known, *(name for name in names if name not in known)]
    legend = alt.Legend(orient="bottom", values=list(names))
    scale = alt.Scale(domain=order)
    return alt.Color("model:N", title=None, sort=list(names), scale=scale, legend=legend)
