"""Writing an export: all folds or none, beside its place first."""

import os
from collections.abc import Iterable
from pathlib import Path

from biomass_pipeline.errors import (
    FileInTheWayError,
    OccupiedFolderError,
    UnwritableExportError,
)
from biomass_pipeline.store.formats.folder import RECORD, exported_parts, facts_of, part_stem
from biomass_pipeline.store.formats.parcel import Parcel
from biomass_pipeline.store.formats.record import Record
from biomass_pipeline.store.formats.registry import carrier_of
from biomass_pipeline.whole import synchronize, whole_folder


def export_folds(
    parcels: Iterable[Parcel], folder: Path, *, form: str, force: bool = False
) -> dict[int | None, Record]:
    """Write folds to a folder, one at a time.

    Args:
        parcels: The folds.
        folder: Where to; its parents are made.
        form: One of `FORMATS`.
        force: Replace an export that is there; anything else never is.

    Returns:
        What was written, by fold.

    Raises:
        MissingFormatError: The library of the format is not installed.
        FileInTheWayError: An export is there.
        OccupiedFolderError: Something else is there.
        UnwritableExportError: The disk or the folder refuses.
    """
    carrier = carrier_of(form)
    _refuse_strangers(folder, force=force)
    written: dict[int | None, Record] = {}
    failures: tuple[type[Exception], ...] = (OSError, *carrier.FAILURES)
    try:
        with whole_folder(folder) as partial:
            for parcel in parcels:
                written[parcel.fold] = _write(parcel, partial, form=form)
            for path in sorted(partial.rglob("*")):
                synchronize(path)
    except failures as error:
        code = error.errno if isinstance(error, OSError) else None
        why = os.strerror(code).lower() if code else str(error)
        raise UnwritableExportError(folder, why=why) from error
    return written


def _write(parcel: Parcel, folder: Path, *, form: str) -> Record:
    place = folder / part_stem(parcel.fold)
    carrier_of(form).write(parcel, place)
    record = Record.of(parcel, form=form, files=facts_of(place))
    (folder / f"{place.name}{RECORD}").write_text(record.text(), encoding="utf-8")
    return record


def _refuse_strangers(folder: Path, *, force: bool) -> None:
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise OccupiedFolderError(folder.parent, [folder.name], wanted="export of features")
    stems = {path.stem for path in exported_parts(folder)}
    found = sorted(path.name for path in folder.iterdir())
    if strangers := [name for name in found if name.partition(".")[0] not in stems]:
        raise OccupiedFolderError(folder, strangers, wanted="export of features")
    if found and not force:
        raise FileInTheWayError(folder, option="--force")
