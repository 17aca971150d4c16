"""All folds' caches of one project: rows are copied by content before anything is embedded."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from biomass_pipeline.errors import UnreadableCacheError
from biomass_pipeline.layout import Layout
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.cache import FeatureCache, holds_exactly, open_cache
from biomass_pipeline.store.contents import FoldContents, Quarantined, Stamp
from biomass_pipeline.store.disk import publish, remove, writing
from biomass_pipeline.store.filling import UNUSABLE, Embedder, Filling, partial_file, unused
from biomass_pipeline.store.locks import fold_file, fold_lock, folder_lock, remove_if_free
from biomass_pipeline.store.naming import cache_files
from biomass_pipeline.store.sources import RowSource

# Files beside the folds' own: replaced, left by a killed run, set aside as damaged.
SPARE = ("superseded", "interrupted", "damaged")
# A file system without second names (exFAT, many network shares), or with no more of them.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


@runtime_checkable
class Cache(Protocol):
    """A handle on one fold's features, wherever they are kept."""

    @property
    def fingerprint(self) -> str:
        """The extraction that made the features."""

    def load(self) -> FeatureSet:
        """The fold's features in memory."""

    def quarantined(self) -> tuple[Quarantined, ...]:
        """The fold's photos that it lacks, each with its reason."""

    def broken_photos(self) -> tuple[str, ...]:
        """The ids of photos with a feature that is NaN or infinite."""


@dataclass(frozen=True)
class Written:
    """One fold's cache and what it cost, in photos.

    Attributes:
        n_embedded: Photos of which at least a tile was embedded.
        n_reused: Photos whose rows were all on disk.
        quarantined: Photos that were refused.
    """

    cache: Cache
    n_embedded: int
    n_reused: int
    quarantined: tuple[Quarantined, ...] = ()


@dataclass(frozen=True)
class FeatureFolder:
    """The caches on disk, `features/<fingerprint>/fold_<k>.h5`, and `inference.h5` beside them.

    That one holds the photos without labels; it is given as fold None. A photo that gets or loses
    its label changes files, and its rows are copied like those between folds.
    """

    layout: Layout

    def open(self, fold: int | None, fingerprint: str) -> FeatureCache:
        """A handle on one fold; None for the photos without labels.

        Raises:
            MissingCacheError: It was never written.
            StaleCacheError: Another extraction wrote it.
        """
        return open_cache(self.layout.feature_cache(fingerprint, fold), fingerprint)

    def write(
        self,
        fold: int | None,
        contents: FoldContents,
        *,
        stamp: Stamp,
        embedder: Embedder,
        max_refused: int = 0,
    ) -> Written:
        """Bring one fold's file to just these contents, embedding only what no file has.

        A killed call loses at most the tiles in flight: what it wrote is found again by content.
        The file that is replaced is kept while another fold may still need its rows.

        Args:
            fold: Which; None for the photos without labels.
            contents: What it must hold, less the photos that are refused.
            stamp: What makes it.
            embedder: Asked for the tiles that no file has.
            max_refused: How many photos may be refused; those are listed in the file.

        Raises:
            BusyCacheError: Another process writes this fold.
            TooManyRefusedError: More photos are refused.
            FeatureRangeError: A feature is not finite or does not fit the number type.
            UnwritableCacheError: The disk or the folder refuses.
        """
        final = self.layout.feature_cache(stamp.fingerprint, fold)
        with fold_lock(final):
            if _is_current(final, stamp.fingerprint, contents):
                # A call that was killed just after it published left what it had no time to drop.
                self._drop_spare(final)
                cache = open_cache(final, stamp.fingerprint)
                return Written(cache, n_embedded=0, n_reused=len(contents.image_ids))
            filling = Filling(final, contents, stamp, max_refused)
            asked, refused = filling.run(self._sources(final), embedder)
            self._publish(final)
            self._drop_spare(final)
            return Written(
                open_cache(final, stamp.fingerprint),
                n_embedded=len(asked) - len(refused),
                n_reused=len(contents.image_ids) - len(asked),
                quarantined=refused,
            )

    def set_aside(self, fold: int | None, fingerprint: str) -> None:
        """Take a damaged file out of its place; its intact rows are copied from there."""
        final = self.layout.feature_cache(fingerprint, fold)
        with fold_lock(final), writing(final):
            if final.exists():
                final.rename(unused(final, "damaged"))

    @contextmanager
    def out_of_the_way(self, fold: int | None, fingerprint: str) -> Iterator[None]:
        """Take an undamaged file away while its fold is made anew; back if that came to nothing."""
        final = self.layout.feature_cache(fingerprint, fold)
        with fold_lock(final), writing(final):
            kept = final.rename(unused(final, "superseded"))
        try:
            yield
        finally:
            with fold_lock(final), writing(final):
                if kept.exists() and not final.exists():
                    kept.rename(final)

    def prune(self, fingerprint: str) -> None:
        """Delete replaced and interrupted files, once every fold is current.

        Those of a fold that somebody writes again stay.
        """
        for path in spare_files(self.layout.features(fingerprint)):
            remove_if_free(path)

    def _sources(self, final: Path) -> list[RowSource]:
        """Every file of the extraction that can give rows, this fold's own first."""
        if (left := partial_file(final)).exists():
            with writing(final):
                _keep_rows(left, final)
        folder = final.parent
        published = sorted(cache_files(folder, ".h5"), key=lambda path: path != final)
        return list(_readable([*published, *spare_files(folder)], folder.name))

    def _publish(self, final: Path) -> None:
        with folder_lock(final), writing(final):
            if final.exists():
                _keep(final, unused(final, "superseded"))
            publish(partial_file(final), final)

    def _drop_spare(self, final: Path) -> None:
        """Delete what lies beside the folds and has no content that no fold has."""
        folder = final.parent
        if not spare_files(folder):
            return
        with folder_lock(final), writing(final):
            current: set[str] = set()
            for source in _readable(cache_files(folder, ".h5"), folder.name):
                current |= source.image_sha256
            for source in _readable(spare_files(folder), folder.name):
                if not source.image_sha256 <= current:
                    continue
                if fold_file(source.path) == final:
                    remove(source.path)
                else:
                    # Another writer may need it for just what it writes now.
                    remove_if_free(source.path)


def spare_files(folder: Path) -> list[Path]:
    """What lies beside the folds' files of one extraction."""
    return sorted(path for why in SPARE for path in cache_files(folder, f".{why}"))


def _keep(final: Path, kept: Path) -> None:
    """Give a fold's file a second name: readers find it under the first until the new one is there.

    Where there are no second names, it is copied.
    """
    try:
        os.link(final, kept)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return
    try:
        shutil.copyfile(final, kept)
    except OSError:
        remove(kept)
        raise


def _is_current(final: Path, fingerprint: str, contents: FoldContents) -> bool:
    try:
        return holds_exactly(final, fingerprint, contents)
    except UNUSABLE:
        return False


def _keep_rows(left: Path, final: Path) -> None:
    """Make what a killed run left a source, if it has rows."""
    found = next(_readable([left], final.parent.name), None)
    if found is not None and found.image_sha256:
        left.rename(unused(final, "interrupted"))
    else:
        remove(left)


def _readable(paths: Sequence[Path], fingerprint: str) -> Iterator[RowSource]:
    for path in paths:
        try:
            yield RowSource(path, fingerprint)
        except (*UNUSABLE, UnreadableCacheError):
            # Such a file gives no rows; they are written anew from the photos.
            continue
