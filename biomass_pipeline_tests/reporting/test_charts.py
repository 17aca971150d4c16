import json

import pytest

from biomass_pipeline.reporting.charts import Kind, kind_of_words, residual_spec, scatter_spec
from biomass_pipeline.reporting.live_charts import (
    calibration_chart,
    learning_curve_chart,
    pit_chart,
    protocol_chart,
)
from biomass_pipeline.reporting.protocols import (
    CurvePoint,
    ProtocolLine,
    Protocols,
    Spread,
)
from biomass_pipeline_tests.reporting.test_trust_figures import calibration

PROTOCOLS = Protocols(
    lines=(
        ProtocolLine(
            "a",
            "new groups",
            optimistic=False,
            n_repeats=2,
            n_images=9,
            models={"ridge": Spread(0.8, 0.1)},
        ),
        ProtocolLine(
            "b",
            "known groups",
            optimistic=True,
            n_repeats=1,
            n_images=9,
            models={"ridge": Spread(0.9, None)},
        ),
    ),
    gaps={},
    curve=(CurvePoint("ridge", 3, 0.6, 0.1), CurvePoint("ridge", 6, 0.8, None)),
    remarks=(),
)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("spec", [scatter_spec, residual_spec])
def test_a_chart_holds_neither_data_nor_colours_and_is_the_same_each_time(spec, kind):
    found = spec(kind)

    assert spec(kind) == found
    assert "#" not in json.dumps({k: v for k, v in found.items() if k != "$schema"})
    assert "datasets" not in found
    assert "config" not in found
    assert found["width"] == "container"
    assert "at" in {param["name"] for param in found["params"]}


def test_the_scatter_has_one_scale_on_both_sides_which_the_page_sets():
    text = json.dumps(scatter_spec(Kind.CATEGORY))

    assert text.count('"expr": "low_end"') == text.count('"expr": "high_end"') > 2
    assert "measured ({unit})" in text
    assert "predicted ({unit})" in text


def test_words_have_a_median_and_numbers_a_smooth_line():
    assert "median" in json.dumps(residual_spec(Kind.CATEGORY))
    assert "loess" in json.dumps(residual_spec(Kind.NUMBER))


@pytest.mark.parametrize(("n", "kind"), [(8, Kind.CATEGORY), (9, Kind.ORDER)])
def test_words_are_shades_where_there_are_more_than_colours(n, kind):
    assert kind_of_words(n) is kind


@pytest.mark.parametrize(
    ("kind", "picks"),
    [(Kind.CATEGORY, True), (Kind.ORDER, True), (Kind.NUMBER, False), (Kind.DATE, False)],
)
def test_only_a_name_in_the_legend_can_be_picked(kind, picks):
    said = json.dumps(scatter_spec(kind))
    assert ('"bind": "legend"' in said) == picks
    assert ('"param": "picked"' in said) == picks


def values_of(chart):
    return chart["datasets"][chart["data"]["name"]]


def test_calibration_holds_what_was_promised_and_observed():
    rows = values_of(calibration_chart({"a": calibration(covered=None)}))

    points = [row for row in rows if row.get("target") == "a"]
    assert [(row["promised"], row["observed"]) for row in points] == [
        (0.5, 0.45),
        (0.2, 0.3),
        (0.9, 0.8),
    ]


def test_a_target_that_is_never_zero_has_no_point_of_presence():
    rows = values_of(calibration_chart({"a": calibration(zeros=0.0)}))

    assert {row["panel"] for row in rows} == {"Intervals"}


def test_the_histogram_holds_every_bin():
    rows = values_of(pit_chart({"a": calibration(pit=(0.7, 0.3))}))

    assert [(row["from"], row["to"], row["share"], row["even"]) for row in rows] == [
        (0.0, 0.5, 0.7, 0.5),
        (0.5, 1.0, 0.3, 0.5),
    ]


def test_protocols_hold_their_spread_and_which_of_them_are_optimistic():
    chart = protocol_chart(PROTOCOLS)

    rows = values_of(chart)
    assert [(row["question"], row["optimistic"]) for row in rows] == [
        ("new groups", False),
        ("known groups", True),
    ]
    assert [round(row["high"] - row["low"], 6) for row in rows] == [0.2, 0.0]
    assert "fillOpacity" in json.dumps(chart)


def test_the_learning_curve_rises_over_its_groups():
    rows = values_of(learning_curve_chart(PROTOCOLS))

    assert [(row["groups"], row["r2"]) for row in rows] == [(3, 0.6), (6, 0.8)]
