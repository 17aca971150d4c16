"""Writing an export: all folds or none, beside its place first."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
from biomass_pipeline.whole import synchronize


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
    with _whole(folder) as partial:
        for parcel in parcels:
            place = partial / part_stem(parcel.fold)
            try:
                carrier.write(parcel, place)
            except carrier.FAILURES as error:
                raise UnwritableExportError(folder, why=str(error)) from error
            record = Record.of(parcel, form=form, files=facts_of(place))
            (partial / f"{place.name}{RECORD}").write_text(record.text(), encoding="utf-8")
            written[parcel.fold] = record
        for path in sorted(partial.rglob("*")):
            synchronize(path)
    return written


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to write to, which takes its place once everything is in it.

    Raises:
        UnwritableExportError: The system refuses.
    """
    folder = folder.resolve()
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    replaced = folder.with_name(f".{folder.name}.{os.getpid()}.replaced")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rename(replaced)
        partial.rename(folder)
        synchronize(folder.parent)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise UnwritableExportError(folder, why=why) from error
    finally:
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        for left in (partial, replaced):
            shutil.rmtree(left, ignore_errors=True)


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
