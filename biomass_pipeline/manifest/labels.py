"""The label file, read once and checked whole; and the label table joined to the photos."""

from pathlib import Path
from typing import Final

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import LabelTableError
from biomass_pipeline.manifest.cells import read_cells
from biomass_pipeline.manifest.identities import with_sums
from biomass_pipeline.manifest.joining import photo_rows
from biomass_pipeline.manifest.layouts import IMAGE, Findings, check_layout, one_row_an_image
from biomass_pipeline.manifest.pairing import NO_PHOTO
from biomass_pipeline.manifest.sheet import LabelSheet
from biomass_pipeline.manifest.sidecar import OK
from biomass_pipeline.manifest.values import is_number

_OWN_COLUMNS: Final = ("image_id", "group")


def read_labels(location: str, *, base: Path, spec: DataConfig) -> LabelSheet:
    """Read a label file of either layout and check all of it before anything is raised.

    Args:
        location: CSV or Parquet, path or fsspec URL; a relative path is relative to `base`.
        base: See above.
        spec: Layout, columns, targets, identities.

    Raises:
        MissingInputError: There is no such file.
        UnknownLayoutError: Its columns do not fit the configured layout.
        LabelTableError: With every problem by line and column: a target that is empty, negative,
            infinite or not a number, a missing or doubled target, an unknown target name, rows of
            one image that disagree, an unknown date, an empty group cell, a grossly broken sum.
    """
    cells = read_cells(location, base=base)
    check_layout(cells, spec)
    findings = Findings(place=cells.place)
    table = with_sums(one_row_an_image(cells, spec, findings), spec, findings)
    if not len(table):
        findings.add(1, ": there is no label below the header")
    if findings.problems:
        raise LabelTableError(location, findings.sorted_problems())
    return LabelSheet(
        source=location,
        table=table.reset_index(drop=True),
        lines=pd.Series(table.index.to_numpy(), dtype="int64"),
        targets=spec.target_names,
        group_columns=spec.group_columns,
        warnings=tuple(findings.warnings),
        place=cells.place,
    )


def label_table(sheet: LabelSheet, manifest: pd.DataFrame, *, spec: DataConfig) -> pd.DataFrame:
    """Join the labels to the photos that can be trusted, in the manifest's order.

    Labels stay as measured: what counts as zero is decided in training.

    Args:
        sheet: The labels.
        manifest: As made by `image_manifest` with this sheet.
        spec: Targets and group columns.

    Returns:
        One row a labelled photo of status ok: `image_id`, the targets (float64), the group columns
        (text), `group` (`State=WA|Sampling_Date=2015-09-04`; the SHA-256 without group columns),
        then other metadata, as numbers where every cell is one. A metadata column named like one
        of these gets `_in_labels` appended.

    Raises:
        LabelTableError: A label could mean several photos, or two labels mean the same one.
    """
    rows = photo_rows(sheet, manifest)
    kept = [i for i, row in enumerate(rows) if row != NO_PHOTO]
    kept.sort(key=rows.__getitem__)
    labels, photos = sheet.table.iloc[kept], manifest.iloc[[rows[i] for i in kept]]
    good = (photos["status"] == OK).to_numpy()
    labels, ids = labels[good], photos["image_id"][good].astype("str").to_list()
    targets, groups = list(spec.target_names), list(spec.group_columns)
    metadata = labels.drop(columns=[IMAGE, *targets, *groups]).apply(_numbers_if_all)
    clashes = {*_OWN_COLUMNS} & {*metadata.columns}
    metadata = metadata.rename(columns={name: f"{name}_in_labels" for name in clashes})
    columns = {"image_id": ids, **{name: labels[name] for name in targets + groups}}
    # Without group columns equal photos still stay together: one must not be trained on the other.
    columns["group"] = _joined(labels, groups) if groups else photos["sha256"][good].to_list()
    return pd.concat([pd.DataFrame(columns, index=labels.index), metadata], axis=1).reset_index(
        drop=True
    )


def _joined(labels: pd.DataFrame, columns: list[str]) -> list[str]:
    """One readable name a group; a separator within a cell is escaped, so names stay distinct."""
    cells = [
        [
            f"{name}={text}"
            for text in labels[name].str.replace("\\", "\\\\").str.replace("|", "\\|")
        ]
        for name in columns
    ]
    return ["|".join(parts) for parts in zip(*cells, strict=True)]


def _numbers_if_all(column: "pd.Series[str]") -> "pd.Series[str] | pd.Series[float]":
    if len(column) and all(map(is_number, column)):
        return pd.to_numeric(column)
    return column
