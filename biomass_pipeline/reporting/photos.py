"""What the manifest says of the photos: which were used, which could not be, and why."""

from dataclasses import dataclass

import pandas as pd

from biomass_pipeline.reporting.table import Table, text_table

_OK = "ok"


@dataclass(frozen=True)
class PhotoSummary:
    """The photos at the door.

    Attributes:
        n_readable: Photos that can be trusted.
        n_unlabelled: Those among them that nobody weighed.
        n_quarantined: Photos and labels that cannot be used.
        quarantine: Each of these with its reason.
        warnings: Photos that are used, with what is odd about them.
    """

    n_readable: int
    n_unlabelled: int
    n_quarantined: int
    quarantine: Table
    warnings: Table


def summarize_photos(manifest: pd.DataFrame) -> PhotoSummary:
    """Count and list what a reader has to know.

    Args:
        manifest: One row a photo or label without photo: `path, status, reason, warning, labelled`.
    """
    ok = manifest[manifest["status"] == _OK]
    bad = manifest[manifest["status"] != _OK]
    odd = ok[ok["warning"].fillna("") != ""]
    return PhotoSummary(
        n_readable=len(ok),
        n_unlabelled=int((~ok["labelled"].astype(bool)).sum()),
        n_quarantined=len(bad),
        quarantine=_listing("Photos and labels that were not used", bad, "reason"),
        warnings=_listing("Photos that were used as far as they go", odd, "warning"),
    )


def _listing(caption: str, rows: pd.DataFrame, column: str) -> Table:
    lines = [
        [str(path), str(text)]
        for path, text in zip(rows["path"], rows[column].fillna("not given"), strict=True)
    ]
    return text_table(caption, ["Path", column.capitalize()], lines)
