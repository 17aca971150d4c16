import pandas as pd

from biomass_pipeline.reporting.training_figure import training_figure


def history(*errors):
    return pd.DataFrame(
        {
            "epoch": range(len(errors)),
            "train_loss": [error / 10 for error in errors],
            "inner_error": errors,
        }
    )


def test_the_error_is_drawn_in_grams_and_the_kept_epoch_is_ringed(drawn):
    training_figure({0: history(16.0, 9.0, 25.0)}, {0: 1})
    loss, error = drawn[0].axes
    assert loss.lines[0].get_xydata().tolist() == [[1, 1.6], [2, 0.9], [3, 2.5]]
    assert error.lines[0].get_ydata().tolist() == [4.0, 3.0, 5.0]
    assert error.lines[1].get_xydata().tolist() == [[2, 3.0]]
    # From zero, so that a curve that hardly falls looks it; and nothing is cut off.
    assert error.get_ylim()[0] == 0
    assert error.get_ylim()[1] > 5.0
    assert drawn[0].legends == []


def test_a_page_can_hold_many_networks(drawn):
    png = training_figure({n: history(*([9.0] * 200)) for n in range(12)}, {})
    assert len(png) < 95_000
    # One curve a colour: the others look like these.
    assert len(drawn[0].axes[0].lines) == 8
    assert len(drawn[0].legends[0].get_texts()) == 8
