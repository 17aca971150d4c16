"""All folds' caches of one project: rows are copied by content before anything is embedded."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import DamagedCacheError, MissingCacheError, StaleCacheError
from biomass_pipeline.layout import Layout
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.cache import (
    FeatureCache,
    PartialCache,
    RowSource,
    open_cache,
    publish,
)
from biomass_pipeline.store.contents import FoldContents, Stamp


@runtime_checkable
class Cache(Protocol):
    """A handle on one fold's features, wherever they are kept."""

    @property
    def fingerprint(self) -> str:
        """The extraction that made the features."""

    def load(self) -> FeatureSet:
        """The fold's features in memory."""


class Embedder(Protocol):
    """What makes the rows that no file has yet. Its width is asked for only when it is needed."""

    def feature_dim(self) -> int:
        """The width of a feature row."""

    def embed(self, photos: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield each photo's place in the contents and its features, shape (tile, feature)."""


@dataclass(frozen=True)
class Written:
    """One fold's cache and what it cost."""

    cache: Cache
    n_embedded: int
    n_reused: int


@dataclass(frozen=True)
class FeatureFolder:
    """The caches on disk, `features/<fingerprint>/fold_<k>.h5`."""

    layout: Layout

    def open(self, fold: int, fingerprint: str) -> FeatureCache:
        """A handle on one fold.

        Raises:
            MissingCacheError: It was never written.
            StaleCacheError: Another extraction wrote it.
        """
        return open_cache(self.layout.feature_cache(fingerprint, fold), fingerprint)

    def write(
        self, fold: int, contents: FoldContents, *, stamp: Stamp, embedder: Embedder
    ) -> Written:
        """Bring one fold's file to just these contents, embedding only what no file has.

        A killed call loses at most the photos in flight: what it wrote is found again by content.
        The file that is replaced is kept while another fold may still need its rows.
        """
        final = self.layout.feature_cache(stamp.fingerprint, fold)
        if _holds(final, stamp.fingerprint, contents):
            cache = open_cache(final, stamp.fingerprint)
            return Written(cache, n_embedded=0, n_reused=len(contents.image_ids))
        partial = final.with_suffix(".h5.partial")
        if partial.exists():
            partial.rename(_unused(final, "interrupted"))
        sources = list(self._sources(stamp.fingerprint))
        copies, missing = _plan(contents, sources)
        width = sources[0].feature_dim if sources else embedder.feature_dim()
        whole = PartialCache(partial, contents, replace(stamp, feature_dim=width))
        try:
            _copy(whole, copies)
            for index, features in embedder.embed(missing):
                whole.write(index, features)
        finally:
            whole.close()
        if final.exists():
            # A second name, so that readers find the old file until the new one is there.
            os.link(final, _unused(final, "superseded"))
        publish(partial, final)
        self._drop_spare(stamp.fingerprint)
        cache = open_cache(final, stamp.fingerprint)
        return Written(cache, n_embedded=len(missing), n_reused=len(copies))

    def prune(self, fingerprint: str) -> None:
        """Delete replaced and interrupted files, once every fold is current."""
        for path in self._spare(fingerprint):
            path.unlink()

    def _sources(self, fingerprint: str) -> Iterator[RowSource]:
        folder = self.layout.features(fingerprint)
        for path in [*sorted(folder.glob("fold_*.h5")), *self._spare(fingerprint)]:
            try:
                yield RowSource(path, fingerprint)
            except (DamagedCacheError, StaleCacheError):
                # A damaged file gives no rows; its fold is written anew from the photos.
                continue

    def _spare(self, fingerprint: str) -> list[Path]:
        folder = self.layout.features(fingerprint)
        return sorted([*folder.glob("*.superseded"), *folder.glob("*.interrupted")])

    def _drop_spare(self, fingerprint: str) -> None:
        current: set[str] = set()
        spare: list[RowSource] = []
        for source in self._sources(fingerprint):
            if source.path.suffix == ".h5":
                current |= source.image_sha256
            else:
                spare.append(source)
        for source in spare:
            if source.image_sha256 <= current:
                source.path.unlink()


@dataclass(frozen=True)
class MemoryCache:
    """One fold's features that were never written to disk."""

    fingerprint: str
    features: FeatureSet

    def load(self) -> FeatureSet:
        """The features."""
        return self.features


@dataclass
class MemoryFeatures:
    """Caches in memory, with the folder's manners, for tests and notebooks."""

    caches: dict[tuple[str, int], MemoryCache] = field(default_factory=dict)

    def open(self, fold: int, fingerprint: str) -> MemoryCache:
        """The handle on one fold.

        Raises:
            MissingCacheError: It was never written.
        """
        try:
            return self.caches[fingerprint, fold]
        except KeyError:
            raise MissingCacheError(Path(f"memory/{fingerprint}/fold_{fold}")) from None

    def write(
        self, fold: int, contents: FoldContents, *, stamp: Stamp, embedder: Embedder
    ) -> Written:
        """Embed what no fold in memory has, and keep the fold."""
        known = {
            sha: (cache.features.bag(i), cache.features.coords[cache.features.rows(i)])
            for (fingerprint, _), cache in self.caches.items()
            if fingerprint == stamp.fingerprint
            for i, sha in enumerate(cache.features.image_sha256)
        }
        pieces: dict[int, NDArray[Any]] = {}
        for index, sha in enumerate(contents.image_sha256):
            features, coords = known.get(sha, (None, None))
            wanted = contents.coords[contents.rows(index)]
            if features is not None and coords is not None and np.array_equal(coords, wanted):
                pieces[index] = features
        missing = [i for i in range(len(contents.image_ids)) if i not in pieces]
        pieces |= {i: f.astype(stamp.dtype) for i, f in embedder.embed(missing)}
        cache = MemoryCache(stamp.fingerprint, _assemble(contents, pieces))
        self.caches[stamp.fingerprint, fold] = cache
        return Written(cache, n_embedded=len(missing), n_reused=len(pieces) - len(missing))

    def prune(self, fingerprint: str) -> None:
        """Nothing is kept beside the folds."""


def _assemble(contents: FoldContents, pieces: dict[int, NDArray[Any]]) -> FeatureSet:
    return FeatureSet(
        features=np.concatenate([pieces[i] for i in range(len(contents.image_ids))]),
        coords=contents.coords,
        area_weight=contents.area_weight,
        image_ids=contents.image_ids,
        image_sha256=contents.image_sha256,
        offsets=contents.offsets,
    )


def _holds(path: Path, fingerprint: str, contents: FoldContents) -> bool:
    try:
        found = open_cache(path, fingerprint).memory_map()
    except (MissingCacheError, DamagedCacheError, StaleCacheError):
        return False
    return (
        found.image_ids == contents.image_ids
        and found.image_sha256 == contents.image_sha256
        and np.array_equal(found.coords, contents.coords)
        and np.array_equal(found.area_weight, contents.area_weight)
    )


def _plan(
    contents: FoldContents, sources: Sequence[RowSource]
) -> tuple[dict[int, tuple[RowSource, slice]], list[int]]:
    """For each photo the file that has its rows; and the photos that none has."""
    copies: dict[int, tuple[RowSource, slice]] = {}
    for index, sha in enumerate(contents.image_sha256):
        coords = contents.coords[contents.rows(index)]
        for source in sources:
            rows = source.find(sha, coords)
            if rows is not None:
                copies[index] = (source, rows)
                break
    return copies, [i for i in range(len(contents.image_ids)) if i not in copies]


def _copy(whole: PartialCache, copies: dict[int, tuple[RowSource, slice]]) -> None:
    by_source: dict[Path, list[int]] = defaultdict(list)
    for index, (source, _) in copies.items():
        by_source[source.path].append(index)
    for indices in by_source.values():
        source = copies[indices[0]][0]
        rows = source.read([copies[index][1] for index in indices])
        for index, features in zip(indices, rows, strict=True):
            whole.write(index, features)


def _unused(final: Path, why: str) -> Path:
    """A free name beside the fold's file, such as `fold_0.1.superseded`."""
    number = 1
    while (candidate := final.with_name(f"{final.stem}.{number}.{why}")).exists():
        number += 1
    return candidate
