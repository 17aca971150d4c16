"""Labels and photos brought together: which photo is labelled, which label has none."""

from collections.abc import Iterator
from typing import Final

import pandas as pd

from biomass_pipeline.errors import LabelTableError
from biomass_pipeline.manifest.folder import image_id
from biomass_pipeline.manifest.pairing import NO_PHOTO, pair
from biomass_pipeline.manifest.sheet import LabelSheet
from biomass_pipeline.manifest.sidecar import OK, QUARANTINED

LABEL_WITHOUT_PHOTO: Final = "label without photo"
# No heading holds a line break, once its cells are stripped.
ROW: Final = "\nrow"


def photo_rows(sheet: LabelSheet, manifest: pd.DataFrame) -> list[int]:
    """Find the manifest row (position) of each label, or `NO_PHOTO`.

    Raises:
        LabelTableError: A label could mean several photos, or two labels mean the same one.
    """
    rows = [i for i, reason in enumerate(manifest["reason"]) if reason != LABEL_WITHOUT_PHOTO]
    photos = manifest["path"].iloc[rows].tolist()
    found, problems = pair(sheet.table["image_path"].tolist(), photos)
    if problems:
        lines = sheet.lines.tolist()
        raise LabelTableError(
            sheet.source,
            [f"{sheet.place} {lines[i]}: {problems[i]}" for i in sorted(problems)],
        )
    return [rows[i] if i != NO_PHOTO else NO_PHOTO for i in found]


def with_labels(manifest: pd.DataFrame, sheet: LabelSheet) -> pd.DataFrame:
    """Mark labelled photos, add labels without photo, and quarantine contradictions.

    Raises:
        LabelTableError: A label could mean several photos, or two labels mean the same one.
    """
    rows = photo_rows(sheet, manifest)
    matched = {row for row in rows if row != NO_PHOTO}
    manifest = manifest.assign(labelled=[row in matched for row in range(len(manifest))])
    manifest = _with_contradictions(manifest, sheet, rows)
    lost = sheet.table["image_path"][[row == NO_PHOTO for row in rows]]
    missing = pd.DataFrame({"path": lost, "reason": LABEL_WITHOUT_PHOTO, "status": QUARANTINED})
    missing = missing.assign(sha256="", bytes=0, height_px=0, width_px=0, warning="", labelled=True)
    missing = missing.assign(crs="", transform="", valid_fraction=0.0, perceptual_hash="")
    missing["image_id"] = lost.map(image_id)
    return pd.concat([manifest, missing], ignore_index=True) if len(missing) else manifest


def _with_contradictions(
    manifest: pd.DataFrame, sheet: LabelSheet, rows: list[int]
) -> pd.DataFrame:
    """Equal photos must have equal labels and lie in the same group."""
    columns = {name: manifest[name].to_list() for name in ("path", "status", "reason", "warning")}
    for same in _equal_photos(manifest, sheet, rows):
        what = _difference(same, sheet)
        paths = [columns["path"][row] for row in same[ROW]]
        for row, path in zip(same[ROW], paths, strict=True):
            other = f"same bytes as {next(text for text in paths if text != path)}"
            if what:
                columns["status"][row] = QUARANTINED
                columns["reason"][row] = f"{other}, {what}"
            else:
                columns["warning"][row] = "; ".join(filter(None, [columns["warning"][row], other]))
    return manifest.assign(**columns)


def _equal_photos(
    manifest: pd.DataFrame, sheet: LabelSheet, rows: list[int]
) -> Iterator[pd.DataFrame]:
    """The labels (manifest row as `ROW`) of each set of readable photos with equal bytes."""
    # The labels keep every column of the user's: what is joined goes by names that none can have.
    matched = [i for i, row in enumerate(rows) if row != NO_PHOTO]
    photos = manifest.iloc[[rows[i] for i in matched]]
    labels = sheet.table.iloc[matched].assign(**{ROW: [rows[i] for i in matched]})
    readable = (photos["status"] == OK).to_numpy()
    labels, contents = labels[readable], photos["sha256"].to_numpy()[readable]
    for content in pd.unique(contents[pd.Series(contents).duplicated()]):
        yield labels[contents == content]


def _difference(same: pd.DataFrame, sheet: LabelSheet) -> str:
    if len(same[list(sheet.targets)].drop_duplicates()) > 1:
        return "different labels"
    groups = list(sheet.group_columns)
    return "different groups" if groups and len(same[groups].drop_duplicates()) > 1 else ""
