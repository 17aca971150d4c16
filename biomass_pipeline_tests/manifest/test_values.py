from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.manifest.values import iso_dates, masses


def noted(read, *texts):
    """The result and what was reported, by position."""
    notes = {}
    result = read(pd.Series(texts, dtype="str"), report=notes.__setitem__)
    return result.tolist(), notes


@given(st.lists(st.floats(0, 1e12), max_size=5))
def test_a_written_number_is_read_back(numbers):
    assert noted(masses, *map(repr, numbers)) == (numbers, {})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("NaN", "`NaN` is not a number"),
        ("n/a", "`n/a` is not a number"),
        ("1_000", "`1_000` is not a number"),
        ("-0.5", "`-0.5` is negative"),
        ("inf", "`inf` is infinite"),
        ("-Infinity", "`-Infinity` is infinite"),
        ("1e999", "`1e999` is infinite"),
        ("1,5", "`1,5` has a decimal comma: write 1.5"),
        ("1.234,5", "`1.234,5` is not a number"),
    ],
)
def test_what_is_no_mass_is_reported(text, complaint):
    values, notes = noted(masses, "1", text)
    assert notes == {1: complaint}
    assert pd.isna(values[1])


def test_zero_has_no_sign():
    values, notes = noted(masses, "-0.0", "0")
    assert [str(value) for value in values] == ["0.0", "0.0"]
    assert notes == {}


@given(st.dates(date(1000, 1, 1)))
def test_all_spellings_of_a_day_are_one(day):
    spellings = [
        f"{day.year}/{day.month}/{day.day}",
        f"{day.month}/{day.day}/{day.year}",
        day.isoformat(),
        f"{day.year}/{day.month:02}/{day.day:02}",
    ]
    assert noted(iso_dates, *spellings) == ([day.isoformat()] * 4, {})


@pytest.mark.parametrize(
    "text", ["4.9.2015", "2015-9/4", "13/1/2015", "2015-02-30", "15/9/4", "Sept 4", "20150904"]
)
def test_what_is_no_date_is_reported(text):
    values, notes = noted(iso_dates, "2015/9/4", text, text)
    assert values == ["2015-09-04", text, text]
    assert set(notes) == {1, 2}
    assert notes[1].startswith(f"`{text}` is not a date")


def test_an_empty_cell_is_no_date_and_no_mistake():
    assert noted(iso_dates, "") == ([""], {})
