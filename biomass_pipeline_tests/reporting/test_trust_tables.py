from dataclasses import replace

import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.table import MAX_ROWS
from biomass_pipeline.reporting.trust import Calibration, LevelLine, PartCoverage, Trust
from biomass_pipeline.reporting.trust_tables import (
    coverage_sentence,
    distribution_table,
    levels_table,
    paddock_sentence,
    paddock_table,
    part_tables,
)

DATA = DataConfig(
    targets=(TargetConfig(name="a"), TargetConfig(name="b")), identities={}, group_columns=("S",)
)


def calibration(covered):
    by_group = None if covered is None else 0.85
    levels = (
        LevelLine(0.5, 0.5, 2.0),
        LevelLine(0.9, covered, None if covered is None else 8.0, by_group=by_group),
    )
    return Calibration(
        crps=1.5, pit=(0.1,) * 10, zeros=0.2, brier=0.05, reliability=(), levels=levels
    )


def trust(a=0.9, b=0.9, **changes):
    found = Trust(
        level=0.9,
        calibration={"a": calibration(a), "b": calibration(b)},
        parts=(PartCoverage("S", "x", 7, 2, {n: LevelLine(0.9, a, 8.0) for n in "ab"}),),
        refusals=(),
        paddocks={},
        out_of_domain=None,
    )
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (0.9, 0.9, "promise to hold 90 % of new values held 90 % of those measured: as promised."),
        (0.87, 0.93, "held 87 % to 93 %, depending on the target, of those measured: as promised"),
        (0.7, 0.9, "too narrow for a."),
        (0.7, 1.0, "too narrow for a and wider than needed for b."),
        (None, 0.8, "held 80 % of those measured: too narrow for b."),
        (None, None, "There are no 90 % intervals"),
    ],
)
def test_coverage_is_told_with_where_it_fails(a, b, words):
    assert words in coverage_sentence(trust(a, b)).replace("\u00a0", " ")


def test_each_level_has_its_line_and_a_refused_one_dashes():
    rows = levels_table(trust(b=None), data=DATA).rows

    assert [row.heads[-1].text for row in rows] == ["50\u00a0%", "90\u00a0%"] * 2
    assert rows[1].cells == ("90\u00a0%", "8.00", "85\u00a0%")
    assert rows[3].cells == ("\u2013", "\u2013", "\u2013")


def test_distributions_are_scored_by_target():
    rows = distribution_table(trust(), data=DATA).rows

    assert rows[0].cells == ("1.50", "20\u00a0%", "0.0500")


def test_a_group_columns_values_have_coverage_and_width_of_each_target():
    ((name, table),) = part_tables(trust(), data=DATA)

    assert (name, table.columns) == ("S", ("S", "Photos", "a", "width", "b", "width"))
    assert table.rows[0].cells == ("7", "90\u00a0%", "8.00", "90\u00a0%", "8.00")


def test_very_many_parts_and_paddocks_are_cut_and_counted():
    parts = tuple(
        PartCoverage("S", str(k), 1, 1, {n: LevelLine(0.9, 1.0, 1.0) for n in "ab"})
        for k in range(MAX_ROWS + 2)
    )
    line = {"n": 1, "predicted": 1.0, "measured": 1.0, "standard_error": None}
    paddocks = {"target": "a", "groups": {str(k): line for k in range(MAX_ROWS + 3)}}
    found = trust(parts=parts, paddocks=paddocks)

    assert part_tables(found, data=DATA)[0][1].left_out == 2
    assert paddock_table(found, data=DATA).left_out == 3


def test_paddocks_are_told_with_what_photos_do_not_average_out():
    line = {"n": 3, "predicted": 10.0, "measured": 12.0, "standard_error": 2.0}
    found = trust(
        paddocks={
            "target": "b",
            "between_sd": 5.0,
            "within_sd": 8.0,
            "covered": 0.9,
            "groups": {"g": line},
        }
    )

    assert paddock_table(found, data=DATA).rows[0].cells == ("3", "10.0", "2.00", "12.0")
    assert "Mean b" in paddock_table(found, data=DATA).caption
    assert "share errors of about 5.0 g" in paddock_sentence(found, data=DATA)


def test_without_paddocks_there_is_neither_table_nor_sentence():
    assert not paddock_table(trust(), data=DATA)
    assert paddock_sentence(trust(), data=DATA) == ""
