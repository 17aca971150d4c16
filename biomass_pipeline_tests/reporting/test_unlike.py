import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.unlike import WORST, likeness_sentence, worst_photos, worst_table

DATA = DataConfig(
    targets=(TargetConfig(name="a", weight=0.1), TargetConfig(name="b", weight=0.9)),
    identities={},
)
FOUND = {
    "percentile": 95.0,
    "n_known": 100,
    "n": 7,
    "share": 0.07,
    "target": "b",
    "rmse": 20.0,
    "rmse_within": 10.0,
}


def oof(errors, **columns):
    rows = [
        {
            "image_id": f"p{k}",
            "group": "g",
            "target": name,
            "y_true": 10.0,
            "y_pred": 10.0 + error,
            "y_lower": 9.0 + error,
            "y_upper": 11.0 + error,
            "model": "mil",
            **{column: values[k] for column, values in columns.items()},
        }
        for k, pair in enumerate(errors)
        for name, error in zip("ab", pair, strict=True)
    ]
    return pd.DataFrame(rows)


def worst(rows):
    return worst_table(worst_photos(rows, data=DATA, model="mil"), data=DATA)


def test_the_worst_photo_is_the_one_that_costs_the_score_most():
    """An error of 3 in the heavy target (8.1) outweighs one of 5 in the light target (2.5)."""
    table = worst(oof([(5, 0), (0, 3), (0, 0)], ood_percentile=[10.0, 99.0, 50.0]))

    assert [row.heads[0].text for row in table.rows] == ["p1", "p0", "p2"]
    assert table.rows[0].cells == ("76\u00a0%", "10.0", "13.0", "99")


def test_a_likeness_that_is_not_known_is_a_dash():
    assert worst(oof([(1, 1)])).rows[0].cells[-1] == "\u2013"


def test_only_the_models_own_rows_count():
    both = pd.concat([oof([(0, 1)]), oof([(0, 9)]).assign(image_id="q", model="ridge")])

    assert [row.heads[0].text for row in worst(both).rows] == ["p0"]


def test_perfect_predictions_have_no_share_of_errors():
    (row,) = worst(oof([(0, 0)])).rows

    assert row.cells[0] == "\u2013"


def test_a_long_list_is_cut():
    assert len(worst(oof([(0, k) for k in range(40)])).rows) == WORST


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (3, "Predicted 3.00 g too high, outside its interval."),
        (-0.5, "Predicted 0.500 g too low, inside its interval."),
    ],
)
def test_what_went_wrong_is_said(error, said):
    (photo,) = worst_photos(oof([(0, error)]), data=DATA, model="mil")

    assert photo.sentence("g") == said


def test_without_an_interval_nothing_is_said_of_it():
    rows = oof([(0, 3)]).assign(y_lower=float("nan"), y_upper=float("nan"))
    (photo,) = worst_photos(rows, data=DATA, model="mil")

    assert photo.sentence("g") == "Predicted 3.00 g too high."


def test_photos_that_are_predicted_worse_come_with_a_warning():
    sentence = likeness_sentence(FOUND, data=DATA)

    assert sentence.startswith("7 of 100 photos")
    assert "all but 5 in 100" in sentence
    assert "error in b is 20.0 g, that of the others 10.0 g: trust such photos less." in sentence


def test_a_small_difference_is_no_warning():
    assert "about as well" in likeness_sentence({**FOUND, "rmse": 10.5}, data=DATA)


def test_without_a_photo_outside_there_is_no_error_to_tell():
    assert "error" not in likeness_sentence({**FOUND, "n": 0, "rmse": None}, data=DATA)


def test_an_unknown_likeness_is_said_to_be_unknown():
    assert "was not measured" in likeness_sentence(None, data=DATA)
