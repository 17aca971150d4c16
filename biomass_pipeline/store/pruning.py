"""Cache files that nothing needs any more, listed before they are deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from biomass_pipeline.errors import BusyCacheError
from biomass_pipeline.store.disk import remove, writing
from biomass_pipeline.store.folder import spare_files
from biomass_pipeline.store.locks import fold_lock, is_locked

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


def leftovers(features: Path, *, current: str) -> list[Leftover]:
    """Every file of other extractions, and what lies beside the current one's folds.

    Neither a fold of the current extraction nor what a running or killed process was writing of it
    is among them, nor anything of a fold that is being written.

    Args:
        features: The folder of all extractions.
        current: The fingerprint that the configuration asks for.
    """
    found = [
        Leftover(path, path.stat().st_size, "of an earlier configuration")
        for path in sorted(features.glob("*/fold_*"))
        if path.parent.name != current
    ]
    found += [
        Leftover(path, path.stat().st_size, _WHY[path.suffix[1:]])
        for path in spare_files(features / current)
    ]
    return [file for file in found if not is_locked(_fold_file(file.path))]


def delete(files: Sequence[Leftover]) -> list[Leftover]:
    """Delete files, and the folders of extractions that are then empty.

    Returns:
        Those that went; a fold that somebody began to write meanwhile keeps its files.

    Raises:
        UnwritableCacheError: The folder refuses.
    """
    gone: list[Leftover] = []
    for file in files:
        try:
            with fold_lock(_fold_file(file.path)), writing(file.path):
                remove(file.path)
        except BusyCacheError:
            continue
        gone.append(file)
    for folder in {file.path.parent for file in gone}:
        _remove_empty(folder)
    return gone


def _fold_file(path: Path) -> Path:
    """The fold's own file that a file lies beside: `fold_0.1.superseded` -> `fold_0.h5`."""
    return path.with_name(f"{path.name.partition('.')[0]}.h5")


def _remove_empty(folder: Path) -> None:
    """Delete a folder that holds nothing but the locks of its folds."""
    left = list(folder.iterdir())
    if all(path.name.startswith(".") and path.suffix == ".lock" for path in left):
        with writing(folder):
            for path in left:
                remove(path)
            folder.rmdir()
