"""The content of a table is its version: names, types, cells and their order, nothing else."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.assets.blueprint import content_version, markdown_table

CELLS = st.lists(st.tuples(st.text(max_size=3), st.floats(allow_nan=False)), max_size=6)


def table(rows):
    return pd.DataFrame(rows, columns=["name", "value"]).astype({"name": "str", "value": "float64"})


@given(rows=CELLS, step=st.integers(1, 5))
def test_the_index_and_how_it_was_put_together_do_not_count(rows, step):
    whole = table(rows)
    pieces = [whole.iloc[i : i + step] for i in range(0, len(whole), step)]
    joined = pd.concat([whole.iloc[:0], *pieces])
    joined.index = range(7, 7 + len(joined))
    assert content_version(joined) == content_version(whole)


@given(rows=CELLS.filter(len), data=st.data())
def test_any_other_cell_counts(rows, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    other = [(f"{n}!", v) if i == place else (n, v) for i, (n, v) in enumerate(rows)]
    assert content_version(table(other)) != content_version(table(rows))


@pytest.mark.parametrize(
    "other",
    [
        pd.DataFrame({"b": [1, 2]}),
        pd.DataFrame({"a": [1.0, 2.0]}),
        pd.DataFrame({"a": [2, 1]}),
        pd.DataFrame({"a": [1, 2], "b": [1, 2]}),
        pd.DataFrame({"a": [1]}),
    ],
)
def test_names_types_order_and_length_count(other):
    assert content_version(other) != content_version(pd.DataFrame({"a": [1, 2]}))


def test_markdown_has_short_numbers_and_no_broken_cell():
    found = markdown_table(pd.DataFrame({"group": ["State=WA|Date=1"], "g": [12.345678]}))
    assert found.splitlines() == ["| group | g |", "| --- | --- |", "| State=WA\\|Date=1 | 12.35 |"]
