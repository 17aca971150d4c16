"""A folder of exported folds: which there are, and reading one, once it was looked at.

Nothing in it is followed out of it, and nothing is given to a library before its length and its
hash are those of the record.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from biomass_pipeline.errors import (
    DamagedExportError,
    ForeignExportError,
    MissingExportError,
    UnsafeExportError,
)
from biomass_pipeline.layout import INFERENCE
from biomass_pipeline.store.formats.parcel import Parcel
from biomass_pipeline.store.formats.record import FileFacts, Record
from biomass_pipeline.store.formats.registry import FORMATS, carrier_of
from biomass_pipeline.store.naming import NO_FOLD, fold_of

RECORD = ".json"
_PIECE_BYTES = 2**20
# What reading rubbish raises, whatever the format.
_FAILURES = (ValueError, KeyError, TypeError, OSError, EOFError)
# Of a few MB each, what one fold of any format has.
_MOST_FILES = 100_000


@dataclass(frozen=True)
class Part:
    """One exported fold: its record and the place of its files."""

    path: Path
    fold: int | None
    record: Record

    @property
    def place(self) -> Path:
        """Folder and first part of the names of its files, such as `folder/fold_0`."""
        return self.path.with_suffix("")

    def read(self) -> Parcel:
        """Read all of it.

        Raises:
            UnsafeExportError: It would lead to other files.
            DamagedExportError: It is not what its record promises.
            MissingFormatError: The library of its format is not installed.
        """
        carrier = carrier_of(self.record.format)
        failures: tuple[type[Exception], ...] = (*_FAILURES, *carrier.FAILURES)
        try:
            self._check_files()
            columns = carrier.read(self.place, self.record)
        except failures as error:
            problem = str(error) or type(error).__name__
            raise DamagedExportError(self.path, problem) from error
        return self.record.parcel(self.fold, columns)

    def _check_files(self) -> None:
        found = facts_of(self.place, hashed=bool(self.record.files))
        if self.record.files:
            self._compare(found)
        if sum(facts.bytes for facts in found.values()) < self.record.n_bytes:
            raise DamagedExportError(
                self.path, f"its files are shorter than the {self.record.n_bytes} bytes of its rows"
            )

    def _compare(self, found: dict[str, FileFacts]) -> None:
        wanted = self.record.files
        for name in sorted({*found, *wanted}):
            if name not in found:
                raise DamagedExportError(self.path, f"{name} is missing")
            if name not in wanted:
                raise DamagedExportError(self.path, f"{name} is none of its files")
            if found[name].bytes != wanted[name].bytes:
                n_bytes, promised = found[name].bytes, wanted[name].bytes
                raise DamagedExportError(
                    self.path, f"{name} has {n_bytes} bytes instead of {promised}"
                )
            if found[name].sha256 != wanted[name].sha256:
                raise DamagedExportError(self.path, f"{name} is not what was written (SHA-256)")


def part_stem(fold: int | None) -> str:
    """How the files of a fold begin."""
    return INFERENCE if fold is None else f"fold_{fold}"


def exported_parts(folder: Path) -> list[Path]:
    """The records in a folder, those of folds in order of their numbers first."""
    found = {path: fold_of(path) for path in folder.glob(f"*{RECORD}")}
    ours = [path for path, fold in found.items() if fold != NO_FOLD]
    return sorted(ours, key=lambda path: (found[path] is None, found[path] or 0))


def open_part(path: Path, fingerprint: str) -> Part:
    """One exported fold, once its record is known to be of this extraction.

    Raises:
        MissingExportError: There is no such record.
        UnsafeExportError: It is a link.
        DamagedExportError: It is no record.
        ForeignExportError: It was made by another extraction.
    """
    if not os.path.lexists(path):
        raise MissingExportError(path.parent, part=path.name)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise UnsafeExportError(path, "it is a link or no file")
    record = Record.read(path)
    if record.format not in FORMATS:
        raise DamagedExportError(path, f"format {record.format!r} is none of {', '.join(FORMATS)}")
    if record.extraction_fingerprint != fingerprint:
        raise ForeignExportError(path, found=record.extraction_fingerprint, expected=fingerprint)
    return Part(path, fold_of(path), record)


def facts_of(place: Path, *, hashed: bool = True) -> dict[str, FileFacts]:
    """Length and hash of every file of a fold, by its path below the folder.

    Raises:
        UnsafeExportError: Something there is neither a plain file nor a folder.
        DamagedExportError: There are too many.
    """
    found: dict[str, FileFacts] = {}
    for path in _files(place):
        digest = _sha256(path) if hashed else ""
        name = path.relative_to(place.parent).as_posix()
        found[name] = FileFacts(bytes=path.stat().st_size, sha256=digest)
        if len(found) > _MOST_FILES:
            raise DamagedExportError(place, f"it has more than {_MOST_FILES} files")
    return found


def _files(place: Path) -> Iterator[Path]:
    """The plain files of a fold but its record; no link is followed."""
    waiting = [
        path
        for path in sorted(place.parent.iterdir())
        if path.name.startswith(f"{place.name}.") and path.name != f"{place.name}{RECORD}"
    ]
    while waiting:
        path = waiting.pop()
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            waiting += sorted(path.iterdir())
        elif stat.S_ISREG(mode):
            yield path
        else:
            raise UnsafeExportError(path, "it is a link or no plain file, which may lead anywhere")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
