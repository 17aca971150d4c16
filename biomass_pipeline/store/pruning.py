"""Cache files that nothing needs any more, listed before they are deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from biomass_pipeline.store.folder import SPARE, spare_files
from biomass_pipeline.store.locks import (
    fold_file,
    is_locked,
    remove_if_free,
    remove_unlocked_folder,
)
from biomass_pipeline.store.naming import all_cache_files, cache_files, fold_of

_WHY = {
    "superseded": "replaced",
    "interrupted": "left by a killed run",
    "damaged": "set aside as damaged",
}


@dataclass(frozen=True)
class Leftover:
    """A file that could go."""

    path: Path
    n_bytes: int
    why: str

    @property
    def extraction(self) -> str:
        """The fingerprint of the extraction that made it."""
        return self.path.parent.name


def leftovers(features: Path, *, current: str, n_folds: int) -> list[Leftover]:
    """Every file of other extractions, and what lies beside the current one's folds.

    Neither a fold that the current extraction has nor its photos without labels, nor what a running
    or killed process was writing of it, is among them, nor anything of what is being written.

    Args:
        features: The folder of all extractions.
        current: The fingerprint that the configuration asks for.
        n_folds: How many folds it asks for.
    """
    found = [
        _leftover(path, "of an earlier configuration")
        for path in all_cache_files(features)
        if path.parent.name != current
    ]
    found += [
        _leftover(path, "of a fold that is no more")
        for path in cache_files(features / current)
        if path.suffix[1:] not in SPARE and (fold_of(path) or 0) >= n_folds
    ]
    found += [_leftover(path, _WHY[path.suffix[1:]]) for path in spare_files(features / current)]
    return [file for file in found if file is not None and not is_locked(fold_file(file.path))]


def delete(files: Sequence[Leftover]) -> list[Leftover]:
    """Delete files, and the folders of extractions that are then empty.

    Returns:
        Those that went; a fold that somebody began to write meanwhile keeps its files.

    Raises:
        UnwritableCacheError: The folder refuses.
    """
    gone = [file for file in files if remove_if_free(file.path)]
    for folder in {file.path.parent for file in gone}:
        remove_unlocked_folder(folder)
    return gone


def _leftover(path: Path, why: str) -> Leftover | None:
    """None if the file vanished since it was found."""
    try:
        return Leftover(path, path.stat().st_size, why)
    except FileNotFoundError:
        return None
