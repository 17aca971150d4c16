from dataclasses import replace

import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.score_tables import (
    breakdown_table,
    choice_table,
    coverage_table,
    global_bars,
    target_table,
)
from biomass_pipeline.reporting.scores import (
    Breakdown,
    Coverage,
    FoldChoice,
    GlobalScore,
    Scores,
    TargetLine,
)
from biomass_pipeline.reporting.table import MAX_ROWS

GRAMS = DataConfig(targets=(TargetConfig(name="mass"),), identities={}, quadrat_area_m2=0.21)
FRACTION = DataConfig(targets=(TargetConfig(name="cover", unit="fraction"),), identities={})
SCORES = Scores(
    n_images=10,
    n_groups=3,
    level=0.95,
    models={"constant": GlobalScore(0.2, 0.1, 0.3), "mil": GlobalScore(-1.5)},
    targets={"mass": {"mil": TargetLine(r2=0.5, rmse=21.0, mae=2.1, bias=-0.21)}},
    coverage={"mass": {"mil": Coverage(level=0.9, covered=0.875, width=12.0)}},
    breakdowns=(),
)


def test_bars_are_as_long_as_the_score_and_stay_in_their_track():
    floor, mil = global_bars(SCORES)

    assert (floor.name, floor.r2, floor.interval) == ("Constant floor", "0.200", "0.100 to 0.300")
    assert floor.percent == "20.0"
    assert (mil.r2, mil.interval, mil.percent) == ("\u22121.500", "\u2013", "0.0")


@pytest.mark.parametrize(("r2", "percent"), [(None, "0.0"), (1.0, "100.0")])
def test_a_bar_has_a_length_whatever_the_score(r2, percent):
    (bar,) = global_bars(replace(SCORES, models={"mil": GlobalScore(r2)}))

    assert bar.percent == percent


def test_grams_are_shown_per_hectare_too():
    table = target_table(SCORES, data=GRAMS)

    (row,) = table.rows
    shown = dict(zip(table.columns[2:], row.cells, strict=True))
    assert shown["R²"] == "0.500"
    # 21 g on 0.21 m2 are 100 g/m2, and 1 g/m2 is 10 kg/ha.
    assert (shown["RMSE"], shown["RMSE, kg\u00a0DM/ha"]) == ("21.0", "1\u202f000")
    assert (shown["MAE"], shown["MAE, kg\u00a0DM/ha"]) == ("2.10", "100")
    assert (shown["Bias"], shown["Bias, kg\u00a0DM/ha"]) == ("\u22120.210", "\u221210.0")


def test_a_fraction_has_no_mass_per_hectare():
    scores = replace(SCORES, targets={"cover": SCORES.targets["mass"]})

    table = target_table(scores, data=FRACTION)

    assert table.columns == ("Target", "Model", "R²", "RMSE", "MAE", "Bias")
    assert table.rows[0].heads[0].text == "cover (fraction)"
    assert "dry matter" not in table.caption


def test_beside_grams_a_fraction_leaves_its_mass_blank():
    data = DataConfig(targets=(*GRAMS.targets, *FRACTION.targets), identities={})
    both = {"mass": SCORES.targets["mass"], "cover": SCORES.targets["mass"]}

    cover = target_table(replace(SCORES, targets=both), data=data).rows[1]

    assert cover.cells[1:3] == ("21.0", "\u2013")


def test_a_breakdown_has_a_line_a_part_with_its_photos_and_scores():
    table = breakdown_table(
        Breakdown("Fold", {"0": (1234, {"constant": 0.2, "mil": None}), "1": (5, {"mil": 0.7})})
    )

    assert table.columns == ("Fold", "Photos", "Constant floor", "MIL network")
    assert [row.cells for row in table.rows] == [
        ("1\u202f234", "0.200", "\u2013"),
        ("5", "\u2013", "0.700"),
    ]


def test_a_breakdown_with_very_many_parts_is_cut_and_says_so():
    parts = {str(k): (1, {"mil": 0.5}) for k in range(MAX_ROWS + 3)}

    table = breakdown_table(Breakdown("plot", parts))

    assert len(table.rows) == MAX_ROWS
    assert table.left_out == 3


def test_coverage_stands_beside_what_was_promised():
    (row,) = coverage_table(SCORES, data=GRAMS).rows

    assert row.cells == ("90\u00a0%", "88\u00a0%", "12.0")


def test_without_intervals_there_is_no_coverage_table():
    assert not coverage_table(replace(SCORES, coverage={}), data=GRAMS)


def test_a_choice_stands_beside_the_inner_scores_it_was_made_by():
    choices = (FoldChoice("0", "stack", {"mil": 0.5, "stack": 0.6}),)

    table = choice_table(replace(SCORES, headline="auto", choices=choices))

    assert table.columns == ("Fold", "Chosen", "MIL network", "Stack of both")
    assert [head.text for head in table.rows[0].heads] == ["0", "Stack of both"]
    assert table.rows[0].cells == ("0.500", "0.600")


def test_a_model_that_was_set_was_not_chosen():
    choices = (FoldChoice("0", "stack", {"mil": 0.5}),)

    assert not choice_table(replace(SCORES, headline="mil", choices=choices))
