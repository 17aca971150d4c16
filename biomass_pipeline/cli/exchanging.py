"""`cache export` and `cache import`: the folds' features to other formats, and from them."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from biomass_pipeline.assets.extraction import stamp_of
from biomass_pipeline.audit import fold_contents
from biomass_pipeline.cli.opening import open_project
from biomass_pipeline.errors import MissingExportError, UnstampedExportError
from biomass_pipeline.orchestration import blueprint_of, build_resources
from biomass_pipeline.plain import counted
from biomass_pipeline.project import Project
from biomass_pipeline.store import (
    FeatureFolder,
    FoldContents,
    Parcel,
    PlainFeatures,
    Record,
    Stamp,
    Written,
    export_folds,
    exported_parts,
    fold_of,
    holds_plain_features,
    import_parcel,
    open_part,
    part_name,
)

_QUARANTINED = 3
_MB = 1e6


@dataclass(frozen=True)
class Given:
    """What an export wrote of one fold; fold None is the photos without labels."""

    fold: int | None
    photos: int
    rows: int
    files: int
    bytes: int

    def __str__(self) -> str:
        size = f"{counted(self.files, 'file')}, {self.bytes / _MB:.1f} MB"
        held = f"{counted(self.photos, 'photo')}, {counted(self.rows, 'row')}"
        return f"{part_name(self.fold)}: {held}; {size}"


@dataclass(frozen=True)
class Taken:
    """What an import made of one fold; fold None is the photos without labels.

    Attributes:
        photos: Photos of the fold.
        taken_over: Those whose rows came from the import.
        here_already: Those whose rows were in the cache.
        quarantined: Those without rows, as the export says.
    """

    fold: int | None
    photos: int
    taken_over: int
    here_already: int
    quarantined: int

    def __str__(self) -> str:
        here = f", {self.here_already} were here already" if self.here_already else ""
        left = f", {self.quarantined} are quarantined" if self.quarantined else ""
        return f"{part_name(self.fold)}: {counted(self.taken_over, 'photo')} taken over{here}{left}"


def export_cache(  # noqa: PLR0913  # one argument an option
    config: Path | None,
    overrides: tuple[str, ...],
    folder: Path,
    *,
    form: str,
    fold: int | None,
    force: bool,
    as_json: bool,
) -> int:
    """Write the current folds' features to a folder in another format.

    Returns:
        0.
    """
    project = open_project(config, overrides)
    extraction = blueprint_of(project).extraction
    parcels = _parcels(project, extraction, only=fold)
    written = export_folds(parcels, folder, form=form, force=force)
    given = [_given(one, record) for one, record in written.items()]
    if as_json:
        told = {"folder": str(folder), "format": form, "extraction": extraction}
        typer.echo(json.dumps(told | {"parts": [asdict(one) for one in given]}))
        return 0
    for one in given:
        typer.echo(str(one))
    typer.echo(f"Extraction {extraction} as {form}: {folder}")
    return 0


def import_cache(
    config: Path | None,
    overrides: tuple[str, ...],
    folder: Path,
    *,
    fold: int | None,
    unstamped: bool,
    as_json: bool,
) -> int:
    """Take features over into the HDF5 cache, from an export or from somebody's plain arrays.

    Returns:
        0; 3 when the export says that photos are quarantined.
    """
    project = open_project(config, overrides)
    if not folder.is_dir():
        raise MissingExportError(folder)
    taken = []
    for parcel, contents, path in _deliveries(project, folder, only=fold, unstamped=unstamped):
        written = import_parcel(parcel, contents, FeatureFolder(project.layout), path=path)
        taken.append(_taken(parcel, contents, written))
        if not as_json:
            typer.echo(str(taken[-1]))
    if as_json:
        told = [asdict(one) for one in taken]
        typer.echo(json.dumps({"folder": str(folder), "parts": told}))
    return _QUARANTINED if any(one.quarantined for one in taken) else 0


def _parcels(project: Project, extraction: str, *, only: int | None) -> Iterator[Parcel]:
    """All folds, and the photos without labels where there are any; or one fold."""
    folder = FeatureFolder(project.layout)
    for fold in range(project.config.folds.n_folds) if only is None else [only]:
        yield Parcel.of(fold, folder.open(fold, extraction))
    if only is None and project.layout.feature_cache(extraction, None).exists():
        unlabelled = Parcel.of(None, folder.open(None, extraction))
        if unlabelled.n_photos or unlabelled.quarantined:
            yield unlabelled


def _given(fold: int | None, record: Record) -> Given:
    n_bytes = sum(facts.bytes for facts in record.files.values())
    return Given(fold, len(record.image_id), record.n_rows, len(record.files), n_bytes)


def _deliveries(
    project: Project, folder: Path, *, only: int | None, unstamped: bool
) -> Iterator[tuple[Parcel, FoldContents, Path]]:
    """Each fold of a folder, with what `patch_index` has of it, and where it lies."""
    extraction = blueprint_of(project).extraction
    wanted = exported_parts(folder)
    if not wanted and holds_plain_features(folder):
        if not unstamped:
            raise UnstampedExportError(folder, expected=extraction)
        yield from _plain_deliveries(project, folder, only=only)
        return
    if only is not None:
        wanted = [path for path in wanted if fold_of(path) == only]
    if not wanted:
        raise MissingExportError(folder, part="" if only is None else f"fold_{only}.json")
    for part in [open_part(path, extraction) for path in wanted]:
        yield part.read(), fold_contents(project, part.fold), part.path


def _plain_deliveries(
    project: Project, folder: Path, *, only: int | None
) -> Iterator[tuple[Parcel, FoldContents, Path]]:
    """The same of arrays that say nothing of what made them: on the word of who imports them."""
    found, stamp = PlainFeatures.open(folder), _stamp(project)
    folds = {fold: fold_contents(project, fold) for fold in range(project.config.folds.n_folds)}
    unlabelled = fold_contents(project, None)
    found.check_known([*folds.values(), unlabelled])
    for fold, contents in folds.items():
        if only in {None, fold}:
            yield found.parcel(fold, contents, stamp=stamp), contents, folder
    if only is None and found.holds(unlabelled):
        yield found.parcel(None, unlabelled, stamp=stamp), unlabelled, folder


def _stamp(project: Project) -> Stamp:
    return stamp_of(blueprint_of(project), build_resources(project)["backbone"])


def _taken(parcel: Parcel, contents: FoldContents, written: Written) -> Taken:
    n_photos, left = len(contents.image_ids), len(written.quarantined)
    return Taken(parcel.fold, n_photos, written.n_embedded, written.n_reused, left)
