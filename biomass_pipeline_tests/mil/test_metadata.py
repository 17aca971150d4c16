"""Covariates as numbers: by name, in the order asked for, NaN where nothing is known."""

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import UnknownCovariateError
from biomass_pipeline.mil.metadata import covariate_columns, covariates_of

DATES = st.dates(pd.Timestamp("2000-01-01").date(), pd.Timestamp("2030-12-31").date())


def table(**columns):
    n_rows = len(next(iter(columns.values())))
    return pd.DataFrame({"image_id": [f"p{n}" for n in range(n_rows)], **columns})


def read(frame, *names, ids=None, date_column="date"):
    wanted = list(frame["image_id"]) if ids is None else ids
    return covariates_of(frame, wanted, names=names, date_column=date_column)


@given(st.lists(DATES, min_size=1, max_size=6))
def test_a_season_is_a_point_on_the_circle(dates):
    found = read(table(date=[str(day) for day in dates]), "season")
    assert np.hypot(found[:, 0], found[:, 1]) == pytest.approx(1.0)


@given(DATES.filter(lambda day: (day.month, day.day) != (2, 29)))
def test_a_season_comes_back_every_year_and_half_a_year_is_opposite(day):
    days = [day, day.replace(year=2001), day + timedelta(days=183)]
    first, again, opposite = read(table(date=[str(each) for each in days]), "season")
    assert np.linalg.norm(first - again) < 0.03  # leap years move it by a day
    assert np.linalg.norm(first - opposite) > 1.99


def test_the_last_day_of_a_year_is_beside_the_first():
    found = read(table(date=["2023-12-31", "2024-01-01", "2024-07-01"]), "season")
    assert np.linalg.norm(found[0] - found[1]) < 0.03 < np.linalg.norm(found[0] - found[2])


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=6), st.randoms())
def test_rows_follow_the_photos_asked_for(values, shuffler):
    frame = table(height_cm=values)
    ids = list(frame["image_id"])
    shuffler.shuffle(ids)
    found = read(frame, "height_cm", ids=[*ids, "stranger"])
    expected = [values[int(name[1:])] for name in ids]
    assert np.array_equal(found[:-1, 0], expected, equal_nan=True)
    assert np.isnan(found[-1]).all()


@given(st.permutations(["height_cm", "season", "ndvi"]), st.integers(0, 3))
def test_every_column_has_one_name(names, count):
    frame = table(height_cm=[1.0], ndvi=[0.5], date=["2024-03-01"])
    found = read(frame, *names[:count])
    assert found.shape == (1, len(covariate_columns(names[:count])))


@pytest.mark.parametrize("date_column", [None, "day"])
def test_what_is_no_column_is_missing_of_every_photo(date_column):
    found = read(table(date=["2024-03-01"]), "ndvi", "season", date_column=date_column)
    assert found.shape == (1, 3)
    assert np.isnan(found).all()


def test_numbers_may_be_written_as_text_and_dates_may_lack():
    frame = table(height_cm=["3.5", None], date=["2024-03-01", None])
    found = read(frame, "height_cm", "season")
    assert found[0, 0] == 3.5
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("height_cm", {"height_cm": ["tall"]}, "height_cm"),
        ("season", {"date": ["last spring"]}, "season"),
    ],
)
def test_what_is_there_and_no_number_or_date_is_refused(name, columns, words):
    with pytest.raises(UnknownCovariateError, match=words):
        read(table(**columns), name)


def test_reading_needs_no_torch():
    code = "import sys, biomass_pipeline.mil.metadata; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)  # our own words
