"""What is remembered of photos already read, so that unchanged files are not opened again."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pandas as pd

from biomass_pipeline.seal import Seal, read_seal, write_sealed, write_table

OK = "ok"
QUARANTINED = "quarantined"


@dataclass(frozen=True)
class Record:
    """What one look at a file found.

    Attributes:
        path: In the folder.
        stamp: The listing's stamp at that time; empty if it must be read again.
        sha256: Of the bytes; empty if it could not be read.
        n_bytes: How many were read.
        rule: What the inspection depended on; empty if the file was hashed only.
        height_px: Of the upright photo; 0 if it is quarantined.
        width_px: Of the upright photo; 0 if it is quarantined.
        status: ok or quarantined.
        reason: Why it is quarantined.
        warning: What decoding changes.
        crs: The coordinate reference system; empty if unknown.
        transform: Of the upright photo to map coordinates; empty if unknown.
        valid_fraction: The share of pixels that are not nodata; 0 if it is quarantined.
        perceptual_hash: What it looks like; empty if it is quarantined or has no structure.
    """

    path: str
    stamp: str
    sha256: str
    n_bytes: int
    rule: str = ""
    height_px: int = 0
    width_px: int = 0
    status: str = OK
    reason: str = ""
    warning: str = ""
    crs: str = ""
    transform: str = ""
    valid_fraction: float = 0.0
    perceptual_hash: str = ""


_COLUMNS = [field.name for field in fields(Record)]


def recall(sidecar: Path | None) -> dict[str, Record]:
    """Read the records by path; without a readable file there are none."""
    if sidecar is None or not sidecar.is_file():
        return {}
    try:
        # A hash that decayed would hide that a photo changed, or make up that it did.
        if read_seal(sidecar, sidecar.name) is Seal.BROKEN:
            return {}
        table = pd.read_parquet(sidecar, columns=_COLUMNS)
        rows = table.astype(
            {"n_bytes": int, "height_px": int, "width_px": int, "valid_fraction": float}
        )
    except Exception:  # noqa: BLE001  # a damaged memory is no memory, whatever pyarrow makes of it
        return {}
    records = map(Record, *(rows[name].tolist() for name in _COLUMNS))
    return {record.path: record for record in records}


def recall_stamps(sidecar: Path) -> dict[str, str]:
    """Read each remembered photo's stamp by path; without a readable file there are none."""
    try:
        table = pd.read_parquet(sidecar, columns=["path", "stamp"])
    except Exception:  # noqa: BLE001  # as above
        return {}
    return dict(zip(table["path"].tolist(), table["stamp"].tolist(), strict=True))


def remember(records: Iterable[Record], *, sidecar: Path | None) -> None:
    """Write the records whole, unless there is nowhere to write them."""
    if sidecar is None:
        return
    table = pd.DataFrame([astuple(record) for record in records], columns=_COLUMNS)
    write_sealed(sidecar, lambda path: write_table(table, path), name=sidecar.name)


def as_row(record: Record) -> dict[str, object]:
    """A record as a row of the manifest."""
    row = dict(vars(record))
    row["bytes"] = row.pop("n_bytes")
    return row
