"""What killed and replaced ones left behind, and what is being written at this moment."""

from collections.abc import Iterator
from pathlib import Path

from biomass_pipeline.audit.condition import Condition, State
from biomass_pipeline.audit.ground import Ground
from biomass_pipeline.store import holder_of, is_locked, leftovers

_PARTIAL = ".partial"
_DELETE = "delete it"
_GOES_ON = "the next `biomass run` goes on from it"


def audit_leftovers(ground: Ground) -> Iterator[Condition]:
    """Partial files, replaced caches, trainings to go on from, and locks that are held."""
    layout = ground.layout
    for file in leftovers(layout.extractions, current=ground.extraction, n_folds=len(ground.folds)):
        remedy = "`biomass cache prune` deletes it"
        yield Condition(layout.name(file.path), State.LEFTOVER, file.why, remedy)
    for path in sorted(_written(layout.root)):
        if path.name.endswith(_PARTIAL):
            yield _partial(ground, path)
        elif path.name.endswith(".last.ckpt"):
            yield Condition(layout.name(path), State.LEFTOVER, "a training under way", _GOES_ON)
        elif path.suffix == ".lock" and (holder := holder_of(path)):
            yield Condition(
                layout.name(path), State.BUSY, f"held by {holder}", "wait until it ends"
            )


def _written(root: Path) -> Iterator[Path]:
    """Files in the folders that artefacts go to; photos may lie in others."""
    yield from (path for path in root.glob("*") if path.is_file())
    for folder in _FOLDERS:
        yield from (path for path in (root / folder).rglob("*") if path.is_file())


def _partial(ground: Ground, path: Path) -> Condition:
    name = ground.layout.name(path)
    cache = path.with_suffix("")
    if cache.suffix != ".h5":
        return Condition(name, State.LEFTOVER, "a killed process did not finish it", _DELETE)
    if is_locked(cache):
        return Condition(name, State.BUSY, "it is being written")
    return Condition(name, State.LEFTOVER, "a killed run did not finish it", _GOES_ON)


_FOLDERS = (
    "patch_index",
    "features",
    "checkpoints",
    "fold_predictions",
    "predictions",
    "evaluation",
    "tuning",
    "report",
    "benchmark",
    "dagster",
)
