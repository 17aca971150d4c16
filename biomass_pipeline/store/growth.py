"""Folds that are being written, as another process sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import (
    DamagedCacheError,
    MissingCacheError,
    StaleCacheError,
    UnreadableCacheError,
)
from biomass_pipeline.store.locks import is_locked
from biomass_pipeline.store.naming import all_cache_files, fold_of
from biomass_pipeline.store.schema import completion, opened, texts


@dataclass(frozen=True)
class Growth:
    """How far one fold's file is; fold None is the photos without labels."""

    fingerprint: str
    fold: int | None
    n_photos: int
    total_photos: int
    n_rows: int
    total_rows: int


@dataclass(frozen=True)
class PartialView:
    """A growing file, open for reading (SWMR); each look shows what is on disk by then."""

    path: Path
    image_ids: tuple[str, ...]
    _file: h5py.File

    def complete(self) -> NDArray[np.bool_]:
        """Which photos are done, shape (photo,)."""
        self._file["complete"].refresh()
        return completion(self._file)

    def bag(self, index: int) -> NDArray[Any]:
        """The features of one finished photo, shape (tile, feature).

        Raises:
            DamagedCacheError: It is not finished.
        """
        if not self.complete()[index]:
            raise DamagedCacheError(self.path, f"photo {self.image_ids[index]} is not finished yet")
        start, stop = self._file["offsets"][index : index + 2]
        self._file["features"].refresh()
        return np.asarray(self._file["features"][start:stop])

    def growth(self) -> Growth:
        """How far it is."""
        complete = self.complete()
        self._file["row_check"].refresh()
        checks = self._file["row_check"][...]
        return Growth(
            fingerprint=self.path.parent.name,
            fold=fold_of(self.path),
            n_photos=int(complete.sum()),
            total_photos=len(complete),
            n_rows=int(np.count_nonzero(checks)),
            total_rows=len(checks),
        )


@contextmanager
def open_partial(path: Path, fingerprint: str) -> Iterator[PartialView]:
    """A view of a file that another process is writing.

    Raises:
        MissingCacheError: It is not there, or not any more.
        DamagedCacheError: It is not laid out yet.
    """
    with opened(path, fingerprint) as file:
        yield PartialView(path, texts(file, "image_id"), file)


def growing(features: Path) -> list[Growth]:
    """How far each fold is that a living process is writing, of all extractions."""
    found = []
    for path in all_cache_files(features, ".h5.partial"):
        if not is_locked(path.with_suffix("")):
            continue
        try:
            with open_partial(path, path.parent.name) as view:
                found.append(view.growth())
        except (MissingCacheError, DamagedCacheError, StaleCacheError, UnreadableCacheError):
            # Just being laid out, just published, or another user's: the next look tells.
            continue
    return found
