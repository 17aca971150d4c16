import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.reporting.table import (
    Head,
    Row,
    Table,
    count,
    grouped_rows,
    number,
    score,
    share,
    text_table,
)

DASH = "\u2013"


def read(text):
    """The number that a reader takes from a text."""
    return float(text.replace("\u2212", "-").replace("\u202f", "").removesuffix("\u00a0%"))


@given(st.floats(-1e7, 1e7).filter(lambda value: value == 0 or abs(value) > 1e-3))
def test_a_number_is_read_as_its_value_to_three_digits(value):
    assert math.isclose(read(number(value)), value, rel_tol=5.01e-3, abs_tol=0)


@given(st.floats(-1e7, 1e7))
def test_a_number_has_no_exponent_and_zero_has_no_sign(value):
    text = number(value)

    assert "e" not in text
    assert "-" not in text
    assert text.startswith("\u2212") == (read(text) < 0)


@given(st.floats(-50, 1))
def test_a_score_is_read_to_three_decimals(value):
    assert read(score(value)) == pytest.approx(value, abs=5.01e-4)


@given(st.floats(-5, 1.2))
def test_a_share_is_a_rounded_percentage(value):
    assert read(share(value)) == pytest.approx(100 * value, abs=0.51)


def test_what_is_nearly_all_or_nearly_nothing_does_not_round_to_it():
    assert share(0.996) == "99.6\u00a0%"
    assert share(0.004) == "0.4\u00a0%"


def test_small_negative_values_do_not_become_minus_zero():
    assert score(-1e-9) == "0.000"
    assert number(-1e-15) == "0"
    assert share(-1e-9) == "0\u00a0%"


@pytest.mark.parametrize("text", [number, score, share])
@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_not_defined_is_a_dash(text, value):
    assert text(value) == DASH


def test_thousands_stand_apart():
    assert count(1234567) == "1\u202f234\u202f567"
    assert number(1387.4) == "1\u202f387"


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_heads_of_groups_stand_beside_all_their_lines(sizes):
    groups = [(f"g{k}", [(f"l{i}", ("x",)) for i in range(n)]) for k, n in enumerate(sizes)]

    rows = grouped_rows(groups)

    outer = [row.heads[0] for row in rows if len(row.heads) == 2]
    assert len(rows) == sum(sizes)
    assert [head.rows for head in outer] == sizes
    assert [head.text for head in outer] == [f"g{k}" for k in range(len(sizes))]


def test_a_text_table_says_how_many_lines_it_leaves_out():
    table = text_table("what", ["a", "b"], [["x", "1"], ["y", "2"], ["z", "3"]], shown=2)

    assert table.rows == (Row((Head("x"),), ("1",)), Row((Head("y"),), ("2",)))
    assert table.left_out == 1
    assert not table.numeric


def test_a_table_without_lines_is_falsy():
    assert not Table("what", ("a",), ())
    assert text_table("what", ["a"], [["x"]])
