import pytest

from biomass_pipeline.config import TargetConfig
from biomass_pipeline.reporting.charts import Kind
from biomass_pipeline.reporting.photo_columns import Column
from biomass_pipeline.reporting.residual_figures import residual_figure

TARGET = TargetConfig(name="mass")


def test_numbers_are_drawn_where_they_are(drawn):
    residual_figure([1.0, -2.0], [Column("ndvi", Kind.NUMBER, (0.1, 0.7))], target=TARGET)

    (axes,) = drawn[0].axes
    assert axes.lines[1].get_xydata().tolist() == [[0.1, 1.0], [0.7, -2.0]]
    assert axes.get_xlabel() == "ndvi"
    assert axes.get_ylabel() == "predicted minus measured (g)"


def test_words_have_a_mark_at_their_median(drawn):
    words = Column("state", Kind.CATEGORY, ("b", "a", "a", "a", None))

    residual_figure([9.0, 1.0, 2.0, 6.0, 5.0], [words], target=TARGET)

    (axes,) = drawn[0].axes
    marks = [line.get_ydata()[0] for line in axes.lines[2:]]
    assert marks == [2.0, 9.0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]


def test_a_number_that_is_not_known_has_no_point(drawn):
    residual_figure([1.0, 2.0], [Column("h", Kind.NUMBER, (None, 3.0))], target=TARGET)

    (axes,) = drawn[0].axes
    assert axes.lines[1].get_xdata()[1] == pytest.approx(3.0)


def test_six_columns_at_most_have_a_panel(drawn):
    many = [Column(f"c{i}", Kind.NUMBER, (1.0, 2.0)) for i in range(9)]

    residual_figure([0.0, 1.0], many, target=TARGET)

    assert len(drawn[0].axes) == 6
