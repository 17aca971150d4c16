"""What every table must look like: its columns, what their cells are, and what names a row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pandas as pd
from pandas.api import types

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.evaluation.finding import Finding, listed
from biomass_pipeline.evaluation.pooling import interval_columns

# A `bound` may be unknown (NaN), a `number` may not; neither is infinite.
Kind = Literal["text", "whole", "number", "bound", "flag"]

_IS: Final = {
    "text": types.is_string_dtype,
    "whole": types.is_integer_dtype,
    "number": types.is_float_dtype,
    "bound": types.is_float_dtype,
    "flag": types.is_bool_dtype,
}


@dataclass(frozen=True)
class TableSchema:
    """What a table must look like.

    Attributes:
        columns: What the cells of each column are; further columns may be there.
        key: The columns that name a row.
        where: Column and value of the rows that the key holds for; all if not given.
        positive: Columns that hold no negative number.
    """

    columns: Mapping[str, Kind]
    key: tuple[str, ...]
    where: tuple[str, str] | None = None
    positive: tuple[str, ...] = field(default=())


MANIFEST: Final = TableSchema(
    {
        "image_id": "text",
        "path": "text",
        "sha256": "text",
        "bytes": "whole",
        "height_px": "whole",
        "width_px": "whole",
        "status": "text",
        "reason": "text",
        "labelled": "flag",
        "warning": "text",
        "crs": "text",
        "transform": "text",
        "valid_fraction": "number",
        "perceptual_hash": "text",
    },
    key=("image_id",),
    where=("status", "ok"),
    positive=("bytes", "height_px", "width_px", "valid_fraction"),
)
FOLDS: Final = TableSchema(
    {"image_id": "text", "group": "text", "fold": "whole"}, key=("image_id",), positive=("fold",)
)
TILES: Final = TableSchema(
    {
        "image_id": "text",
        "tile": "whole",
        "row_px": "whole",
        "col_px": "whole",
        "area_weight": "number",
        "valid_fraction": "number",
    },
    key=("image_id", "tile"),
    positive=("tile", "row_px", "col_px", "area_weight", "valid_fraction"),
)


def label_schema(data: DataConfig) -> TableSchema:
    """Of `label_table`."""
    columns: dict[str, Kind] = {"image_id": "text", "group": "text"}
    columns |= dict.fromkeys(data.group_columns, "text")
    columns |= dict.fromkeys(data.target_names, "number")
    return TableSchema(columns, key=("image_id",), positive=data.target_names)


def held_out_schema(evaluation: EvaluationConfig) -> TableSchema:
    """Of `oof_predictions`."""
    columns: dict[str, Kind] = {
        "image_id": "text",
        "fold": "whole",
        "group": "text",
        "target": "text",
        "model": "text",
        "y_true": "number",
        **_predicted(evaluation),
    }
    return TableSchema(columns, key=("model", "image_id", "target"), positive=("y_true",))


def prediction_schema(evaluation: EvaluationConfig) -> TableSchema:
    """Of `predictions`."""
    columns: dict[str, Kind] = {"image_id": "text", "target": "text", **_predicted(evaluation)}
    return TableSchema(columns, key=("image_id", "target"), positive=("y_pred",))


def check_schema(table: pd.DataFrame, schema: TableSchema) -> Finding:
    """Compare a table with what it must look like; a table without a row only needs its columns."""
    missing = [name for name in schema.columns if name not in table.columns]
    problems = [f"column {name} is missing" for name in missing]
    if not missing and len(table):
        problems = [*_cells(table, schema), *_keys(table, schema)]
    size = f"{len(table)} rows" if len(table) else "The table is empty"
    told = "; ".join(problems) or "every column is there and every cell is what it must be"
    return Finding(
        not problems, f"{size}: {told}.", pd.DataFrame({"problem": problems}), {"rows": len(table)}
    )


def check_bounds(table: pd.DataFrame, evaluation: EvaluationConfig) -> Finding:
    """Whether each interval lies around the same middle: inner bounds within outer ones."""
    pairs = interval_columns(evaluation.levels, headline=evaluation.interval_level)
    bad = np.zeros(len(table), dtype=np.bool_)
    for number, (lower, upper) in enumerate(pairs):
        bad |= (table[lower] > table[upper]).to_numpy()
        if number:
            inner_lower, inner_upper = pairs[number - 1]
            bad |= (table[lower] > table[inner_lower]).to_numpy()
            bad |= (table[upper] < table[inner_upper]).to_numpy()
    told = f"{int(bad.sum())} of {len(table)} rows have bounds that cross or are not nested."
    columns = ["image_id", "target", *(name for pair in pairs for name in pair)]
    return Finding(not bad.any(), told, table.loc[bad, columns], {"rows": len(table)})


def _predicted(evaluation: EvaluationConfig) -> dict[str, Kind]:
    pairs = interval_columns(evaluation.levels, headline=evaluation.interval_level)
    columns: dict[str, Kind] = {"y_pred": "number"}
    columns |= {name: "bound" for pair in pairs for name in pair}
    return columns | {"p_zero": "number", "ood_percentile": "bound"}


def _cells(table: pd.DataFrame, schema: TableSchema) -> Iterator[str]:
    for name, kind in schema.columns.items():
        column = table[name]
        if not _IS[kind](column.dtype) and not (kind == "text" and _all_text(column)):
            yield f"column {name} holds {column.dtype}, expected {kind}"
            continue
        if kind == "text" and column.isna().any():
            yield f"column {name} has {int(column.isna().sum())} empty cell(s)"
        if kind in {"number", "bound"}:
            numbers = column.to_numpy(dtype=float)
            bad = np.isinf(numbers) if kind == "bound" else ~np.isfinite(numbers)
            if bad.any():
                yield f"column {name} has {int(bad.sum())} cell(s) that are no finite number"
        if name in schema.positive and (column.to_numpy() < 0).any():
            yield f"column {name} has {int((column.to_numpy() < 0).sum())} negative cell(s)"


def _all_text(column: "pd.Series[str]") -> bool:
    return types.is_object_dtype(column.dtype) and all(isinstance(cell, str) for cell in column)


def _keys(table: pd.DataFrame, schema: TableSchema) -> Iterator[str]:
    rows = table if schema.where is None else table[table[schema.where[0]] == schema.where[1]]
    double = rows[rows.duplicated(list(schema.key))]
    if len(double):
        names = [" ".join(map(str, row)) for row in double[list(schema.key)].to_numpy().tolist()]
        yield f"{len(double)} row(s) are there twice: {listed(names)}"
