"""Feature caches: every row read against its checksum, and every photo against its fold's tiles."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

import pandas as pd

from biomass_pipeline.assets import contents_of, tiles_of, unlabelled_photos
from biomass_pipeline.audit.condition import Condition, State
from biomass_pipeline.audit.ground import Ground
from biomass_pipeline.errors import (
    BiomassError,
    DamagedCacheError,
    MissingCacheError,
    MissingTableError,
    OtherContentsError,
)
from biomass_pipeline.orchestration import PhotoFolder, feature_store
from biomass_pipeline.plain import counted
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureCache, FoldContents, Inspection, part_name

_UNCHECKED = "it has no checksums (another program wrote it), so only NaN would be seen"


class Mend(Enum):
    """What `--repair` does about a fold."""

    NONE = auto()
    RUN = auto()
    SET_ASIDE_AND_RUN = auto()


@dataclass(frozen=True)
class FoldState:
    """What reading one fold's file whole found; fold None is the photos without labels."""

    fold: int | None
    problem: str = ""
    damaged: tuple[str, ...] = ()
    mend: Mend = Mend.NONE
    has_checks: bool = True
    n_quarantined: int = 0
    is_other: bool = False

    def __str__(self) -> str:
        if self.problem:
            return f"{part_name(self.fold)}: {self.problem}"
        unchecked = "" if self.has_checks else ", but without checksums: only NaN would be seen"
        missing = (
            f", {counted(self.n_quarantined, 'photo')} quarantined (`biomass cache verify "
            f"--repair` tries them again)"
        )
        return f"{part_name(self.fold)}: whole{missing if self.n_quarantined else ''}{unchecked}"


def fold_states(project: Project, extraction: str) -> list[FoldState]:
    """Every fold's, and that of the photos without labels."""
    parts = [*range(project.config.folds.n_folds), None]
    return [fold_state(project, extraction, fold) for fold in parts]


def fold_state(project: Project, extraction: str, fold: int | None) -> FoldState:
    """Read one fold's file whole; hold it against its checksums and the fold's tiles."""
    try:
        contents = fold_contents(project, fold)
    except BiomassError as error:
        return FoldState(fold, problem=str(error), mend=_mend_of(error))
    return _state_with(project, extraction, fold, contents)


def _state_with(
    project: Project, extraction: str, fold: int | None, contents: FoldContents | None
) -> FoldState:
    """The same, where what the fold must hold is known, or cannot be."""
    found: Inspection | None = None
    try:
        cache = feature_store(project).open(fold, extraction)
        found = cache.inspect()
        if found.damages:
            raise DamagedCacheError(cache.path, found.summary())
        if contents is not None:
            cache.check_contents(contents)
    except BiomassError as error:
        names = tuple(damage.image_id for damage in found.damages) if found else ()
        return FoldState(
            fold,
            problem=str(error),
            damaged=names,
            mend=_mend_of(error),
            is_other=isinstance(error, OtherContentsError),
        )
    return FoldState(
        fold,
        has_checks=found.has_checks,
        n_quarantined=found.n_quarantined,
        # What an export lacks cannot be embedded into it.
        mend=Mend.RUN if found.n_quarantined and isinstance(cache, FeatureCache) else Mend.NONE,
    )


def fold_contents(project: Project, fold: int | None) -> FoldContents:
    """What the fold's file must hold.

    Raises:
        MissingTableError: Its tiles were never laid.
    """
    name = "image_manifest" if fold is None else "patch_index"
    layout, config = project.layout, project.config
    path = layout.table(name) if fold is None else layout.partitioned_table(name, fold)
    if not path.exists():
        raise MissingTableError(name, path)
    table = pd.read_parquet(path)
    if fold is None:
        # The photos without labels are few, and have no table of their tiles.
        photos = PhotoFolder(config.data, project.base, layout.image_sidecar, config.imaging)
        table = tiles_of(unlabelled_photos(table), config=config, photos=photos)
    return contents_of(table, config=config)


def audit_caches(ground: Ground) -> Iterator[Condition]:
    """Each fold's file, and that of the photos without labels."""
    for fold in (*ground.folds, None):
        path = ground.layout.feature_cache(ground.extraction, fold)
        made = ("inference_features", None) if fold is None else ("feature_cache", str(fold))
        if (gone := ground.absent(path, made)) is not None:
            yield gone
            continue
        name = ground.layout.name(path)
        yield _condition(ground, name, fold)


def _condition(ground: Ground, name: str, fold: int | None) -> Condition:
    table, layout = "image_manifest" if fold is None else "patch_index", ground.layout
    source = layout.table(table) if fold is None else layout.partitioned_table(table, fold)
    if ground.kept(source) is not None:
        return _of_state(name, fold_state(ground.project, ground.extraction, fold))
    # What is wrong with that table is told of it; the cache may be whole all the same.
    found = _of_state(name, _state_with(ground.project, ground.extraction, fold, None))
    if found.state is not State.WHOLE:
        return found
    return Condition(name, found.state, f"but {layout.name(source)} does not say what it must hold")


def _of_state(name: str, found: FoldState) -> Condition:
    if found.problem:
        return Condition(name, State.UNFIT if found.is_other else State.DAMAGED, found.problem)
    if found.n_quarantined:
        what = f"{found.n_quarantined} photos could not be embedded"
        return Condition(
            name, State.QUARANTINED, what, "`biomass cache verify --repair` tries them again"
        )
    if not found.has_checks:
        return Condition(name, State.READABLE, _UNCHECKED)
    return Condition(name, State.WHOLE)


def _mend_of(error: BiomassError) -> Mend:
    if isinstance(error, DamagedCacheError):
        return Mend.SET_ASIDE_AND_RUN
    return Mend.RUN if isinstance(error, MissingCacheError) else Mend.NONE
