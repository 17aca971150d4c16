import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.charts import Kind
from biomass_pipeline.reporting.photo_columns import photo_columns, short_numbers

DATA = DataConfig()


def columns(**known):
    labels = pd.DataFrame({"image_id": [f"p{i}" for i in range(4)], "group": "g", **known})
    return {column.name: column for column in photo_columns(labels, data=DATA)}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("State", ["NSW", "NSW", "WA", "WA"], Kind.CATEGORY),
        ("Height_Ave_cm", [1.0, 2.0, 3.0, None], Kind.NUMBER),
        ("Sampling_Date", ["2015-01-01", "2015-01-02", "2015-01-01", None], Kind.DATE),
    ],
)
def test_a_column_is_known_by_what_it_holds(name, values, kind):
    found = columns(**{name: values})[name]

    assert found.kind is kind
    assert found.values.count(None) == values.count(None)  # noqa: PD011  # no pandas


def test_many_words_are_shades_and_very_many_are_left_out():
    labels = pd.DataFrame({"image_id": range(90), "few": [f"w{i % 20}" for i in range(90)]})
    labels["notes"] = [f"note {i}" for i in range(90)]

    found = photo_columns(labels, data=DATA)

    assert [(column.name, column.kind) for column in found] == [("few", Kind.ORDER)]


def test_targets_and_what_is_the_same_everywhere_are_left_out():
    assert columns(GDM_g=[1.0, 2.0, 3.0, 4.0], State=["WA"] * 4) == {}


def test_group_columns_come_first():
    assert list(columns(Species=list("abab"), State=list("aabb"))) == ["State", "Species"]


def test_numbers_are_short_and_what_is_none_stays_none():
    found = short_numbers(pd.Series([1.23456789, float("nan"), float("inf"), 0.0]))

    assert found == [1.2346, None, None, 0.0]
    assert short_numbers(None) == []
