"""The image manifest: every photo with its content hash, size and verdict."""

import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import pandas as pd

from biomass_pipeline.config import ImagingConfig
from biomass_pipeline.errors import LostDecoderError, TooManyQuarantinedError, UnreadableImageError
from biomass_pipeline.isolation import Crew, Isolation
from biomass_pipeline.manifest.apart import inspect_apart
from biomass_pipeline.manifest.folder import ImageFile, image_id
from biomass_pipeline.manifest.inspection import digest, inspect_photo
from biomass_pipeline.manifest.joining import with_labels
from biomass_pipeline.manifest.photograph import ReadLimits
from biomass_pipeline.manifest.sheet import LabelSheet
from biomass_pipeline.manifest.sidecar import QUARANTINED, Record, as_row, recall, remember

# Raise it when the verdict on a file may change: remembered inspections are then made again.
_INSPECTION_VERSION: Final = 4
_DTYPES: Final = {
    "image_id": "str",
    "path": "str",
    "sha256": "str",
    "bytes": "int64",
    "height_px": "int64",
    "width_px": "int64",
    "status": "str",
    "reason": "str",
    "labelled": "bool",
    "warning": "str",
    "crs": "str",
    "transform": "str",
    "valid_fraction": "float64",
    "perceptual_hash": "str",
}
_SEEN: Final = ("path", "sha256", "bytes", "height_px", "width_px", "status", "reason", "warning")
_PLACED: Final = ("crs", "transform", "valid_fraction", "perceptual_hash")


class Photos(Protocol):
    """Where photos come from: an `ImageFolder`, or anything that lists and opens files."""

    def files(self) -> list[ImageFile]:
        """List the photos in path order."""

    def open(self, path: str) -> BinaryIO:
        """Open one for reading."""


def image_manifest(  # noqa: PLR0913  # each is decided by another section
    folder: Photos,
    *,
    labels: LabelSheet | None,
    sidecar: Path | None,
    max_pixels: int,
    stream_above_px: int = ImagingConfig().stream_above_px,
    threads: int = 2,
    isolation: Isolation | None = None,
) -> pd.DataFrame:
    """List every photo in path order and say which can be trusted.

    A photo is hashed in chunks and decoded once, a large one in bands of rows; while its stamp
    stays the same, the sidecar answers instead.

    Args:
        folder: The photos.
        labels: Marks the labelled photos, adds a row for each label without photo, and quarantines
            equal photos with different labels; None if there are none yet.
        sidecar: Where hashes are remembered; may be deleted at any time. None remembers nothing.
        max_pixels: A larger photo counts as a decompression bomb.
        stream_above_px: A larger photo is never held whole; changes no verdict.
        threads: Photos inspected at once.
        isolation: Decode them in processes of their own; None: here. Changes no verdict, but that a
            photo which makes a decoder crash or hang is quarantined, and looked at again next time.

    Returns:
        Columns `image_id` (path without suffix), `path`, `sha256`, `bytes`, `height_px`, `width_px`
        (upright; 0 if unreadable), `status` (ok, quarantined), `reason`, `labelled`, `warning`,
        `crs` and `transform` (of the upright photo, as `Place` has them; empty if unknown),
        `valid_fraction` (pixels that are neither nodata nor fully transparent; 0 if unreadable),
        `perceptual_hash` (what it looks like, 16 hexadecimal digits; empty if unknown).

    Raises:
        MissingInputError: There is no such folder.
        LabelTableError: A label could mean several photos, or two labels mean the same one.
    """
    rule = f"{_INSPECTION_VERSION}:{max_pixels}"
    limits = ReadLimits(max_pixels=max_pixels, stream_above_px=stream_above_px)
    crew = isolation.crew() if isolation else None
    look = partial(_inspect, folder, rule=rule, limits=limits, crew=crew)
    records = _records(folder, sidecar=sidecar, rule=rule, look=look, threads=threads, crew=crew)
    table = pd.DataFrame([as_row(record) for record in records], columns=[*_SEEN, *_PLACED])
    table["image_id"] = [image_id(path) for path in table["path"]]
    table["labelled"] = False
    table = _without_double_ids(table)
    if labels is not None:
        table = with_labels(table, labels)
    table = table.sort_values("path", kind="stable", ignore_index=True)
    return table[list(_DTYPES)].astype(_DTYPES)


def listing_version(folder: Photos, *, sidecar: Path | None) -> str:
    """Hash all paths and contents into 16 hexadecimal digits; unchanged files are not opened.

    Raises:
        MissingInputError: There is no such folder.
    """
    records = _records(folder, sidecar=sidecar, rule="", look=partial(_hash, folder), threads=2)
    listing = "\n".join(f"{record.path}\0{record.sha256}" for record in records)
    return hashlib.sha256(listing.encode(errors="surrogateescape")).hexdigest()[:16]


def check_quarantine(manifest: pd.DataFrame, *, limit: float) -> None:
    """Stop when too large a share of the manifest's rows is quarantined.

    Raises:
        TooManyQuarantinedError: With each reason and its count.
    """
    bad = manifest[manifest["status"] == QUARANTINED]
    if len(bad) <= limit * len(manifest):
        return
    kinds = bad["reason"].str.split(":", n=1).str[0].value_counts()
    raise TooManyQuarantinedError(
        quarantined=len(bad),
        total=len(manifest),
        limit=limit,
        reasons=[(str(kind), int(count)) for kind, count in kinds.items()],
    )


def _records(
    folder: Photos,
    *,
    sidecar: Path | None,
    rule: str,
    look: Callable[[ImageFile], Record],
    threads: int,
    crew: Crew | None = None,
) -> list[Record]:
    """One record a file, remembered or found by looking; what was found is remembered.

    A file that is still being written is as it was last seen: with its old content, or not there.
    """
    memory = recall(sidecar)
    listed = [seen for file in folder.files() if (seen := _settled(file, memory, rule))]
    files = [file for file in listed if _is_text(file.path)]
    unnamed = [_unnameable(file) for file in listed if not _is_text(file.path)]
    new = [file for file in files if not _holds(memory.get(file.path), file, rule)]
    known = {file.path: memory[file.path] for file in files if file.path in memory}
    found: dict[str, Record] = {}
    try:
        # The processes end first: no thread waits for one when somebody presses Ctrl-C.
        with ThreadPoolExecutor(max_workers=threads) as pool, crew or nullcontext():
            for record in pool.map(look, new):
                found[record.path] = record
    finally:
        if found or known.keys() != memory.keys():
            remember(({**known, **found}).values(), sidecar=sidecar)
    known.update(found)
    return [*(known[file.path] for file in files), *unnamed]


def _settled(file: ImageFile, memory: Mapping[str, Record], rule: str) -> ImageFile | None:
    """The file; while it is written anew, as it was last seen; None while it is written at first.

    Dropping a known photo for a moment would train everything without it, and then with it again.
    """
    before = memory.get(file.path)
    if not file.writing or (before is not None and before.stamp == file.stamp):
        return file
    if before is None or not before.stamp or (rule and before.rule != rule):
        return None
    return replace(file, n_bytes=before.n_bytes, stamp=before.stamp)


def _is_text(path: str) -> bool:
    """Whether a name can be written down: no control characters, no bytes that are not UTF-8."""
    return not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in path)


def _unnameable(file: ImageFile) -> Record:
    shown = file.path.encode("unicode_escape").decode("ascii")
    reason = "unusable name: control characters or not UTF-8, rename it"
    return Record(shown, "", "", 0, status=QUARANTINED, reason=reason)


def _holds(record: Record | None, file: ImageFile, rule: str) -> bool:
    if record is None or not file.stamp or record.stamp != file.stamp:
        return False
    return not rule or record.rule == rule


def _hash(folder: Photos, file: ImageFile) -> Record:
    try:
        with folder.open(file.path) as stream:
            sha256, n_bytes = digest(stream)
    except OSError as error:
        return _unreadable(file, error)
    return Record(path=file.path, stamp=file.stamp, sha256=sha256, n_bytes=n_bytes)


def _inspect(
    folder: Photos, file: ImageFile, *, rule: str, limits: ReadLimits, crew: Crew | None
) -> Record:
    try:
        with folder.open(file.path) as stream:
            sha256, n_bytes = digest(stream)
            record = Record(file.path, file.stamp, sha256, n_bytes, rule)
            return _judged(record, stream, limits=limits, crew=crew)
    except OSError as error:
        return _unreadable(file, error)


def _judged(record: Record, stream: BinaryIO, *, limits: ReadLimits, crew: Crew | None) -> Record:
    try:
        photo = (
            inspect_apart(crew, stream, limits=limits)
            if crew
            else inspect_photo(stream, limits=limits)
        )
    except UnreadableImageError as error:
        # What failed for want of memory or by a disk fault may work next time; and a decoder that
        # crashed may have been killed, or be replaced by a better one.
        passing = isinstance(error, LostDecoderError) or error.reason.startswith("unreadable")
        stamp = "" if passing else record.stamp
        return replace(record, status=QUARANTINED, reason=error.reason, stamp=stamp)
    height_px, width_px = photo.size_px
    return replace(
        record,
        height_px=height_px,
        width_px=width_px,
        warning=photo.warning,
        crs=photo.place.crs,
        transform=photo.place.transform,
        valid_fraction=photo.valid_fraction,
        perceptual_hash=photo.perceptual_hash,
    )


def _unreadable(file: ImageFile, error: OSError) -> Record:
    reason = f"unreadable: {error.strerror or error}"
    return Record(file.path, "", "", 0, status=QUARANTINED, reason=reason)


def _without_double_ids(table: pd.DataFrame) -> pd.DataFrame:
    double = table[table["image_id"].duplicated(keep=False)]
    for _, paths in double.groupby("image_id")["path"]:
        for row, path in paths.items():
            other = next(text for text in paths if text != path)
            table.loc[row, ["status", "reason"]] = [QUARANTINED, f"duplicate id: also {other}"]
    return table
