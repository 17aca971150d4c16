"""Caches that were never written to disk, with the folder's manners, for tests and notebooks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import MissingCacheError, UnfinishedCacheError
from biomass_pipeline.layout import Layout
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.contents import FoldContents, Quarantined, Stamp, check_refused
from biomass_pipeline.store.filling import Embedder
from biomass_pipeline.store.folder import Written


@dataclass(frozen=True)
class MemoryCache:
    """One fold's features in memory."""

    fingerprint: str
    features: FeatureSet
    refused: tuple[Quarantined, ...] = ()

    def load(self) -> FeatureSet:
        """The features."""
        return self.features

    def quarantined(self) -> tuple[Quarantined, ...]:
        """The fold's photos that this cache lacks, each with its reason."""
        return self.refused

    def broken_photos(self) -> tuple[str, ...]:
        """The ids of photos with a feature that is NaN or infinite."""
        return tuple(
            name
            for photo, name in enumerate(self.features.image_ids)
            if not np.isfinite(self.features.bag(photo)).all()
        )


@dataclass
class MemoryFeatures:
    """All folds' caches, kept as long as the process."""

    caches: dict[tuple[str, int | None], MemoryCache] = field(default_factory=dict)

    def open(self, fold: int | None, fingerprint: str) -> MemoryCache:
        """The handle on one fold.

        Raises:
            MissingCacheError: It was never written.
        """
        try:
            return self.caches[fingerprint, fold]
        except KeyError:
            raise MissingCacheError(_place(fingerprint, fold)) from None

    def write(
        self,
        fold: int | None,
        contents: FoldContents,
        *,
        stamp: Stamp,
        embedder: Embedder,
        max_refused: int = 0,
    ) -> Written:
        """Embed what no fold in memory has, and keep the fold."""
        bags = self._known(contents, stamp.fingerprint)
        missing = [photo for photo in range(len(contents.image_ids)) if photo not in bags]
        reasons = _embed_bags(contents, missing, embedder, bags)
        refused = tuple(
            Quarantined(
                contents.image_ids[i], contents.image_sha256[i], contents.paths[i], reasons[i]
            )
            for i in sorted(reasons)
        )
        place, total = _place(stamp.fingerprint, fold), len(contents.image_ids)
        check_refused(place, refused, total=total, limit=max_refused)
        kept = [bags[i] for i in range(len(contents.image_ids)) if i not in reasons]
        features = np.concatenate(kept).astype(stamp.dtype) if kept else np.empty((0, 0))
        cache = MemoryCache(
            stamp.fingerprint, _feature_set(contents.without(reasons), features), refused
        )
        self.caches[stamp.fingerprint, fold] = cache
        n_reused = len(contents.image_ids) - len(missing)
        return Written(
            cache,
            n_embedded=len(missing) - len(refused),
            n_reused=n_reused,
            quarantined=refused,
        )

    def prune(self, fingerprint: str) -> None:
        """Nothing is kept beside the folds."""

    def _known(self, contents: FoldContents, fingerprint: str) -> dict[int, NDArray[Any]]:
        """The bags that some fold has, by their place in the contents."""
        known = {
            sha: (cache.features.bag(i), cache.features.coords[cache.features.rows(i)])
            for (made_by, _), cache in self.caches.items()
            if made_by == fingerprint
            for i, sha in enumerate(cache.features.image_sha256)
        }
        bags: dict[int, NDArray[Any]] = {}
        for photo, sha in enumerate(contents.image_sha256):
            features, coords = known.get(sha, (None, None))
            wanted = contents.coords[contents.rows(photo)]
            if features is not None and coords is not None and np.array_equal(coords, wanted):
                bags[photo] = features
        return bags


def _embed_bags(
    contents: FoldContents,
    photos: list[int],
    embedder: Embedder,
    bags: dict[int, NDArray[Any]],
) -> dict[int, str]:
    """Fill in the bags of these photos; why those that were refused were."""
    reasons: dict[int, str] = {}
    if not photos:
        return reasons
    step, width = contents.rows_per_tile, embedder.feature_dim()
    left = {photo: len(contents.tile_coords(photo)) for photo in photos}
    for photo, n_tiles in left.items():
        bags[photo] = np.empty((n_tiles * step, width), np.float32)
    for block in embedder.embed({photo: np.arange(n) for photo, n in left.items()}):
        if block.reason:
            reasons[block.photo] = block.reason
            left.pop(block.photo)
            continue
        rows = (block.tiles[:, None] * step + np.arange(step)).ravel()
        bags[block.photo][rows] = block.features
        left[block.photo] -= len(block.tiles)
    if lacking := [photo for photo, n_tiles in left.items() if n_tiles]:
        first = contents.image_ids[lacking[0]]
        raise UnfinishedCacheError(Path("memory"), image_id=first, n_photos=len(lacking))
    return reasons


def _feature_set(contents: FoldContents, features: NDArray[Any]) -> FeatureSet:
    return FeatureSet(
        features=features,
        coords=contents.coords,
        area_weight=contents.area_weight,
        image_ids=contents.image_ids,
        image_sha256=contents.image_sha256,
        offsets=contents.offsets,
    )


def _place(fingerprint: str, fold: int | None) -> Path:
    return Layout(Path("memory")).feature_cache(fingerprint, fold)
