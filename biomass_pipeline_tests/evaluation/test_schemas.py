"""Tables as they are made pass; each fault is named with its column."""

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.evaluation import (
    FOLDS,
    MANIFEST,
    check_bounds,
    check_schema,
    label_schema,
    prediction_schema,
)

SCHEMA = label_schema(DataConfig())


def test_group_columns_are_text_and_targets_are_numbers_that_are_not_negative():
    data = DataConfig(group_columns=("State", "Sampling_Date"))
    schema = label_schema(data)
    assert {name for name, kind in schema.columns.items() if kind == "text"} == {
        *("image_id", "group", "State", "Sampling_Date")
    }
    assert {name for name, kind in schema.columns.items() if kind == "number"} == set(
        data.target_names
    )
    assert schema.positive == data.target_names


def said(table, schema=SCHEMA):
    found = check_schema(table, schema)
    assert found.passed == (not len(found.table))
    return found.sentence


# What pandas calls a column of text: an object before version 3.
TEXT = pd.Series(["a"]).dtype


def test_a_table_as_it_is_made_passes(labels):
    assert said(labels) == "24 rows: every column is there and every cell is what it must be."


def test_tables_read_back_with_plain_objects_pass(labels):
    assert check_schema(labels.astype({"image_id": object, "group": object}), SCHEMA).passed


def test_further_columns_are_no_fault(labels):
    assert check_schema(labels.assign(height_cm=1.0), SCHEMA).passed


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda t: t.drop(columns="GDM_g"), "column GDM_g is missing"),
        (lambda t: t.assign(GDM_g="1"), f"column GDM_g holds {TEXT}, expected number"),
        (lambda t: t.assign(GDM_g=np.nan), "column GDM_g has 24 cell(s) that are no finite number"),
        (lambda t: t.assign(GDM_g=np.inf), "GDM_g has 24 cell(s) that are no finite number"),
        (lambda t: t.assign(GDM_g=-t["GDM_g"]), "column GDM_g has 24 negative cell(s)"),
        (lambda t: t.assign(image_id=7), "column image_id holds int64, expected text"),
        (lambda t: t.assign(group=[None, *t["group"][1:]]), "column group has 1 empty cell(s)"),
        (lambda t: pd.concat([t, t.iloc[[3]]]), "1 row(s) are there twice: ID003"),
    ],
)
def test_each_fault_is_named(labels, change, fault):
    assert fault in said(change(labels))


def test_an_empty_table_only_needs_its_columns(labels):
    assert said(labels.iloc[:0]).startswith("The table is empty: every column is there")
    assert "column Dry_Dead_g is missing" in said(labels.iloc[:0].drop(columns="Dry_Dead_g"))


def test_a_manifest_may_repeat_what_it_quarantines():
    row = dict.fromkeys(MANIFEST.columns, "") | {"image_id": "a", "status": "quarantined"}
    row |= {"bytes": 1, "height_px": 0, "width_px": 0, "labelled": False, "valid_fraction": 0.0}
    table = pd.DataFrame([row, row])
    assert check_schema(table, MANIFEST).passed
    assert "1 row(s) are there twice: a" in said(table.assign(status="ok"), MANIFEST)


def test_a_fold_is_no_negative_number():
    table = pd.DataFrame({"image_id": ["a"], "group": ["g"], "fold": [-1]})
    assert "column fold has 1 negative cell(s)" in said(table, FOLDS)


class TestBounds:
    evaluation = EvaluationConfig()

    def predictions(self, **change):
        row = {"image_id": "a", "target": "GDM_g", "y_pred": 5.0, "p_zero": 0.0}
        row |= {"y_lower_50": 4.0, "y_upper_50": 6.0, "y_lower_80": 3.0, "y_upper_80": 7.0}
        row |= {"y_lower": 2.0, "y_upper": 8.0, "ood_percentile": np.nan}
        return pd.DataFrame([row | change])

    def test_nested_bounds_pass(self):
        table = self.predictions()
        assert check_schema(table, prediction_schema(self.evaluation)).passed
        assert check_bounds(table, self.evaluation).passed

    def test_unknown_bounds_pass(self):
        table = self.predictions(y_lower=np.nan, y_upper=np.nan)
        assert check_schema(table, prediction_schema(self.evaluation)).passed
        assert check_bounds(table, self.evaluation).passed

    @pytest.mark.parametrize(
        "change",
        [{"y_lower": 9.0}, {"y_lower_80": 4.5}, {"y_upper_80": 5.5}, {"y_upper": 6.5}],
        ids=["crossed", "lower not nested", "upper not nested", "the widest is narrower"],
    )
    def test_bounds_that_cross_or_are_not_nested_fail(self, change):
        found = check_bounds(self.predictions(**change), self.evaluation)
        assert not found.passed
        assert found.sentence == "1 of 1 rows have bounds that cross or are not nested."

    def test_an_infinite_bound_fails(self):
        found = check_schema(self.predictions(y_upper=np.inf), prediction_schema(self.evaluation))
        assert "column y_upper has 1 cell(s) that are no finite number" in found.sentence

    def test_no_predictions_pass(self):
        assert check_bounds(self.predictions().iloc[:0], self.evaluation).passed
