from biomass_pipeline.reporting import canvas
from biomass_pipeline.reporting.trust import Calibration, LevelLine, ReliabilityPoint
from biomass_pipeline.reporting.trust_figures import calibration_figure, pit_figure


def calibration(*, zeros=0.3, pit=(0.1,) * 10, covered=0.85):
    return Calibration(
        crps=1.0,
        pit=pit,
        zeros=zeros,
        brier=0.1,
        reliability=(ReliabilityPoint(0.2, 0.3, 9), ReliabilityPoint(0.9, 0.8, 30)),
        levels=(LevelLine(0.5, 0.45, 2.0), LevelLine(0.9, covered, 5.0)),
    )


def test_bars_are_the_shares_and_the_line_is_where_even_ones_end(drawn):
    pit = (0.4, *(0.6 / 9,) * 9)

    pit_figure({"a": calibration(), "$b": calibration(pit=pit)})

    first, second = drawn[0].axes
    assert [bar.get_height() for bar in second.patches] == list(pit)
    assert set(first.lines[0].get_ydata()) == {0.1}
    assert second.get_ylim()[1] > 0.4
    assert first.get_ylim() == second.get_ylim()


def test_coverage_is_drawn_over_what_was_promised(drawn):
    calibration_figure({"a": calibration()})

    line = drawn[0].axes[0].lines[0]
    assert line.get_xydata().tolist() == [[0.5, 0.45], [0.9, 0.85]]
    presence = drawn[0].axes[1].lines[0]
    assert presence.get_xydata().tolist() == [[0.2, 0.3], [0.9, 0.8]]


def test_a_refused_level_has_no_point(drawn):
    calibration_figure({"a": calibration(covered=None)})

    assert drawn[0].axes[0].lines[0].get_xydata().tolist() == [[0.5, 0.45]]


def test_targets_that_are_never_zero_have_no_panel_of_zeros(drawn):
    calibration_figure({"a": calibration(zeros=0.0)})

    assert len(drawn[0].axes) == 1


def test_the_dark_page_has_dark_paper(drawn):
    pit_figure({"a": calibration()}, theme=canvas.DARK)

    assert drawn[0].get_facecolor()[:3] != (1, 1, 1)
