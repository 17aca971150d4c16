"""What the columns of every table mean, with their units, as the asset's page shows them."""

import re
from typing import Final

import dagster as dg
import pandas as pd

from biomass_pipeline.config import DataConfig

_MEANINGS: Final = {
    "image_id": "The photo's name without folder and extension.",
    "path": "Where the photo lies, from the folder of photos.",
    "sha256": "Hash of the photo's bytes: equal contents are embedded once.",
    "bytes": "Size of the file in bytes.",
    "height_px": "Height in pixels, after the camera's orientation was applied.",
    "width_px": "Width in pixels, after the camera's orientation was applied.",
    "status": "`ok`, or `quarantined`: left out of everything.",
    "reason": "Why the photo is quarantined; empty if it is not.",
    "labelled": "Whether the label file weighs this photo.",
    "warning": "What is odd about the photo without being a reason to leave it out.",
    "crs": "Coordinate reference system of a georeferenced image; else empty.",
    "transform": "From pixels to coordinates, six numbers; else empty.",
    "valid_fraction": "Share of the pixels that are not nodata, from 0 to 1.",
    "perceptual_hash": "64 bits of what the photo looks like; copies differ in few of them.",
    "group": "Photos that belong together, such as one paddock on one day: never parted.",
    "fold": "The fold that holds the photo out.",
    "tile": "The tile's number in its photo, row by row from the top left.",
    "row_px": "The tile's upper edge in pixels from the top of the photo.",
    "col_px": "The tile's left edge in pixels from the left of the photo.",
    "area_weight": "The tile's share of the photo's valid area, overlaps divided; a photo's sum is "
    "1.",
    "features": "What the backbone makes of the tile: one number a dimension.",
    "coords": "The tile's upper left corner in pixels: row, column.",
    "target": "What was weighed.",
    "y_true": "Weighed, in the target's unit.",
    "y_pred": "Predicted, in the target's unit.",
    "model": "`constant` (the floor), `ridge`, `mil`, `stack`, or `auto`: the one chosen.",
    "p_zero": "Stated probability that there is none of it, from 0 to 1.",
    "crps": "How far the whole predicted distribution is from the weighed value, in the target's "
    "unit; lower is better.",
    "pit": "Where the weighed value fell among predicted values, from 0 to 1; even if calibrated.",
    "ood_percentile": "How unlike the photos learnt from, as a percentile of held-out photos.",
    "chosen": "The model that `auto` took, by inner groups of the photos learnt from.",
    "inner_r2": "R² of that model on these inner groups.",
    "training_state": "What the models were trained by; all folds that are pooled must agree.",
    "sample_id": "Photo and target, as the submission names the row.",
    "kg_dm_ha": "Predicted, in kg of dry matter a hectare; empty for what is not in grams.",
    "kg_dm_ha_lower": "Lower bound of the interval that the report shows, in kg of dry matter a "
    "hectare; empty for what is not in grams.",
    "kg_dm_ha_upper": "Upper bound of the same.",
    "fold_sd": "How far the folds' models disagree: a standard deviation, in the target's unit.",
    "image_sha256": "Hash of the photo's bytes.",
    "key": "The protocol: how photos were held out.",
    "kind": "What kind of protocol it is.",
    "split": "Which of the protocol's splits held the photo out.",
    "n_train_groups": "How many groups were learnt from.",
    "tuned": "Predicted with the settings that the search found, in the target's unit.",
    "untuned": "Predicted with the configured settings, in the target's unit.",
}
_BOUND: Final = re.compile(r"y_(lower|upper)(?:_([\d.]+))?")
_OF_TEST_FILE: Final = {"sample_id", "target"}


def column_schema(table: pd.DataFrame, data: DataConfig | None = None) -> dg.TableSchema:
    """The columns of a table with their types and meanings.

    Args:
        table: Any of the assets'.
        data: Names targets and group columns, where they are columns of the table.
    """
    return dg.TableSchema(
        [
            dg.TableColumn(str(name), str(kind), description=_meaning(str(name), table, data))
            for name, kind in table.dtypes.items()
        ]
    )


def feature_schema(dtype: str) -> dg.TableSchema:
    """The arrays of a feature cache that have one row a tile."""
    kinds = {
        "image_id": "str",
        "features": f"{dtype}, as wide as `feature_dim`",
        "coords": "int32, two",
        "area_weight": "float32",
    }
    return dg.TableSchema(
        [dg.TableColumn(name, kind, description=_MEANINGS[name]) for name, kind in kinds.items()]
    )


def _meaning(name: str, table: pd.DataFrame, data: DataConfig | None) -> str | None:
    if name == "target" and set(table.columns) == _OF_TEST_FILE:
        return "Predicted, in the target's unit."
    if bound := _BOUND.fullmatch(name):
        side = {"lower": "Lower", "upper": "Upper"}[bound[1]]
        level = f"the {bound[2]} % interval" if bound[2] else "the interval that the report shows"
        return f"{side} bound of {level}, in the target's unit; empty where it is refused."
    if data is not None and (meaning := _configured(name, data)):
        return meaning
    return _MEANINGS.get(name)


def _configured(name: str, data: DataConfig) -> str | None:
    units = {target.name: target.unit for target in data.targets}
    if name in units:
        parts = " + ".join(data.identities.get(name, ()))
        return f"Weighed, in {units[name]}" + (f"; {parts}." if parts else ".")
    if name in data.group_columns:
        return "A part of the group."
    return "The day of the photo." if name == data.date_column else None
