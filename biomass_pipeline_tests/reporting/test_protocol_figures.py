import pytest
from matplotlib.colors import to_hex

from biomass_pipeline.reporting.canvas import LIGHT
from biomass_pipeline.reporting.protocol_figures import learning_curve_figure, protocol_figure
from biomass_pipeline.reporting.protocols import read_protocols
from biomass_pipeline_tests.reporting.test_protocols import FOUND


def dots(axes):
    return [line for line in axes.lines if line.get_linestyle() == "None"]


def test_each_score_is_a_dot_and_optimistic_ones_are_hollow(drawn):
    protocol_figure(read_protocols(FOUND))

    (axes,) = drawn[0].axes
    scores = {
        dot.get_xdata()[0]: to_hex(dot.get_markerfacecolor()) == LIGHT.paper for dot in dots(axes)
    }
    assert scores == {0.2: False, 0.8: False, 0.5: False, 0.9: True}
    assert [text.get_text() for text in axes.get_yticklabels()][-1].endswith("(optimistic)")


def test_a_spread_is_a_bar(drawn):
    protocol_figure(read_protocols(FOUND))

    bars = [line for line in drawn[0].axes[0].lines if line.get_linestyle() == "-"]
    assert [0.78, 0.82] in [pytest.approx(list(bar.get_xdata())) for bar in bars]


def test_a_model_has_the_same_colour_in_both_figures(drawn):
    protocols = read_protocols(FOUND)
    protocol_figure(protocols)
    learning_curve_figure(protocols)

    dot = next(dot for dot in dots(drawn[0].axes[0]) if dot.get_xdata()[0] == 0.8)
    curve = drawn[1].axes[0].lines[0]
    assert list(curve.get_ydata()) == [0.5, 0.7]
    assert to_hex(dot.get_markeredgecolor()) == to_hex(curve.get_color())
