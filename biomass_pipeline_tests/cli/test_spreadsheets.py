"""A table that people open runs nothing: texts stay texts, numbers stay numbers."""

import csv
import math
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.cli.spreadsheets import safe_cells, write_csv
from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration.io_managers import Documents

OPERATORS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
STARTS = "".join([*OPERATORS, "\t\r\n"])


@pytest.mark.parametrize("start", STARTS)
def test_a_text_that_would_be_a_formula_gets_an_apostrophe(start):
    table = pd.DataFrame({"name": [f"{start}1", f"x{start}"]})
    assert safe_cells(table)["name"].iloc[0].startswith("'")
    assert safe_cells(table)["name"].iloc[1].startswith("x")


@given(st.text(alphabet=f"{STARTS};, \"'ab1", max_size=12), st.sampled_from(",;\t"))
def test_no_cell_starts_a_formula_wherever_a_spreadsheet_cuts(text, separator):
    """A table with commas is cut at semicolons where those are a country's list separator."""
    table = pd.DataFrame({"first": [text], "number": [-1.5], "last": [text]})
    content = safe_cells(table).to_csv(index=False, header=False)
    for row in csv.reader(StringIO(content, newline=""), delimiter=separator):
        texts = [cell.lstrip("\t\r\n") for cell in row if cell != "-1.5"]
        assert not [text for text in texts if text.startswith(OPERATORS)]


def test_numbers_dates_and_missing_cells_are_left_alone():
    table = pd.DataFrame(
        {
            "name": ["-a", None],
            "value": [-1.5, math.nan],
            "count": pd.array([-1, None], dtype="Int64"),
            "day": pd.to_datetime(["2024-05-01", None]),
            "known": [True, False],
        }
    )
    safe = safe_cells(table)
    assert safe["name"].iloc[0] == "'-a"
    assert pd.isna(safe["name"].iloc[1])
    pd.testing.assert_frame_equal(safe.drop(columns="name"), table.drop(columns="name"))


@pytest.mark.parametrize("kind", ["str", "category", object])
def test_texts_are_seen_in_whatever_way_pandas_keeps_them(kind, tmp_path):
    table = pd.DataFrame({"group": pd.Series(["=a", "b"], dtype=kind), "y": np.array([-2.0, 1])})
    write_csv(table, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "group,y\n'=a,-2.0\nb,1.0\n"


def test_texts_among_numbers_are_seen():
    table = pd.DataFrame({"mixed": ["=a", -1, None, 2.5]})
    assert safe_cells(table)["mixed"].tolist() == ["'=a", -1, None, 2.5]


def test_ids_of_a_submission_are_those_that_were_asked_for(tmp_path):
    """A competition compares them letter by letter, so whoever opens one looks at it as text."""
    table = pd.DataFrame({"sample_id": ["=a__x", "-b__x"], "target": [1.0, 2.0]})
    Documents(Layout(tmp_path)).write("submission", None, table)
    text = Layout(tmp_path).submission.read_text()
    assert text == "sample_id,target\n=a__x,1.0\n-b__x,2.0\n"
