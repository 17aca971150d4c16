"""Every column has a meaning on its asset's page, and a target its unit."""

import pandas as pd
import pytest

from biomass_pipeline.assets.columns import column_schema, feature_schema
from biomass_pipeline.config import Config, EvaluationConfig
from biomass_pipeline.evaluation import (
    FOLDS,
    MANIFEST,
    TILES,
    held_out_schema,
    prediction_columns,
    prediction_schema,
)
from biomass_pipeline.evaluation.protocols import PROTOCOL_COLUMNS

TABLES = {
    "image_manifest": MANIFEST.columns,
    "fold_assignment": FOLDS.columns,
    "patch_index": TILES.columns,
    "fold_predictions": [
        *prediction_columns(EvaluationConfig()),
        "chosen",
        "inner_r2",
        "training_state",
    ],
    "oof_predictions": held_out_schema(EvaluationConfig()).columns,
    "predictions": [
        *prediction_schema(EvaluationConfig()).columns,
        "kg_dm_ha",
        "kg_dm_ha_lower",
        "kg_dm_ha_upper",
        "fold_sd",
    ],
    "protocol_predictions": PROTOCOL_COLUMNS,
    "tuning_study": ["image_id", "group", "target", "y_true", "tuned", "untuned"],
    "submission": ["sample_id", "target"],
}


def described(columns, data=None):
    schema = column_schema(pd.DataFrame(columns=list(columns)), data)
    return {column.name: column.description for column in schema.columns}


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_every_table_says_what_it_holds(name):
    found = described(TABLES[name])
    assert list(found) == list(TABLES[name])
    assert [column for column, told in found.items() if not (told or "").endswith(".")] == []


def test_the_schema_of_a_table_is_that_of_its_content(stand):
    table = stand.patch_index(0)
    assert {c.name: c.type for c in column_schema(table).columns} == {
        name: str(kind) for name, kind in table.dtypes.items()
    }
    assert all(column.description for column in column_schema(table).columns)


def test_a_target_has_its_unit_and_its_parts_and_a_group_column_says_so():
    found = described(["Dry_Green_g", "GDM_g", "State", "Species"], Config().data)
    assert found == {
        "Dry_Green_g": "Weighed, in g.",
        "GDM_g": "Weighed, in g; Dry_Green_g + Dry_Clover_g.",
        "State": "A part of the group.",
        # What else the label file says is its author's.
        "Species": None,
    }


def test_bounds_name_their_level():
    found = described(["y_lower", "y_upper_97.5", "target"])
    assert found["y_upper_97.5"].startswith("Upper bound of the 97.5 % interval")
    assert found["y_lower"].startswith("Lower bound of the interval that the report shows")
    # In a submission the same name is the prediction itself.
    assert found["target"] != described(["sample_id", "target"])["target"]


def test_features_have_a_row_a_tile():
    kinds = {column.name: column.type for column in feature_schema("float16").columns}
    assert kinds["features"] == "float16, as wide as `feature_dim`"
    assert all(column.description for column in feature_schema("float16").columns)
