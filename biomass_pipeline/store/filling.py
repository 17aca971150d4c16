"""Filling a fold's file: rows that are on disk are copied, the others embedded, in any order."""

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import (
    DamagedCacheError,
    MissingCacheError,
    StaleCacheError,
    TooManyRefusedError,
    UnreadableCacheError,
)
from biomass_pipeline.store.contents import FoldContents, Quarantined, Stamp
from biomass_pipeline.store.disk import remove, writing
from biomass_pipeline.store.partial import Block, PartialCache
from biomass_pipeline.store.sources import RowSource

UNUSABLE = (MissingCacheError, DamagedCacheError, StaleCacheError)


class Embedder(Protocol):
    """What makes the rows that no file has yet. Nothing is asked of it unless some are missing."""

    def feature_dim(self) -> int:
        """The width of a feature row."""

    def notes(self) -> Mapping[str, str]:
        """What else the file should say of how its rows were made."""

    def embed(self, wanted: Mapping[int, NDArray[np.int64]]) -> Generator[Block]:
        """Yield rows of the wanted tiles, whole tiles at a time.

        Args:
            wanted: For each photo's place in the contents, the positions of its tiles.
        """


@dataclass(frozen=True)
class Filling:
    """One fold's file being filled, from other files first and from the embedder then.

    Attributes:
        final: Where the whole file will be.
        contents: What it must hold, less the photos that are refused.
        stamp: What makes it; its width is found out.
        max_refused: How many photos may be refused.
    """

    final: Path
    contents: FoldContents
    stamp: Stamp
    max_refused: int

    def run(
        self, sources: Sequence[RowSource], embedder: Embedder
    ) -> tuple[frozenset[int], tuple[Quarantined, ...]]:
        """Leave the partial file whole.

        Returns:
            The photos that were asked for, and those that were refused.
        """
        located = [(source, source.locate(self.contents)) for source in sources]
        located = [(source, rows) for source, rows in located if (rows >= 0).any()]
        whole = self._lay_out(located, embedder)
        try:
            for source, rows in located:
                _copy(source, whole, rows, self.contents.rows_per_tile)
            wanted = whole.missing_tiles()
            reasons = self._embed(whole, wanted, embedder) if wanted else {}
            whole.check_finished(but=list(reasons))
        finally:
            whole.close()
        refused = tuple(
            Quarantined(
                self.contents.image_ids[i],
                self.contents.image_sha256[i],
                self.contents.paths[i],
                reasons[i],
            )
            for i in sorted(reasons)
        )
        if refused:
            self._leave_out(reasons, refused)
        return frozenset(wanted), refused

    def _lay_out(
        self, located: Sequence[tuple[RowSource, NDArray[np.int64]]], embedder: Embedder
    ) -> PartialCache:
        """An empty file; the backbone is asked about it only if something has to be embedded."""
        n_tiles = len(self.contents.tiles)
        known = np.zeros(n_tiles, bool)
        for _, rows in located:
            known |= rows >= 0
        notes = [] if known.all() else [embedder.notes()]
        notes += [source.notes for source, _ in located]
        stamp = replace(self.stamp, feature_dim=self._width(located, embedder))
        return PartialCache(
            partial_file(self.final), self.contents, stamp=stamp, notes=_joined(notes)
        )

    def _width(
        self, located: Sequence[tuple[RowSource, NDArray[np.int64]]], embedder: Embedder
    ) -> int:
        if located:
            return located[0][0].feature_dim
        # No photo has no width, and is no reason to build a backbone.
        return embedder.feature_dim() if len(self.contents.tiles) else 0

    def _embed(
        self,
        whole: PartialCache,
        wanted: Mapping[int, NDArray[np.int64]],
        embedder: Embedder,
    ) -> dict[int, str]:
        """Write what the embedder gives; why the photos that it refused were."""
        reasons: dict[int, str] = {}
        # Closed at once when a write fails, or lanes, files and clusters would outlive it.
        with closing(embedder.embed(wanted)) as blocks:
            for block in blocks:
                if not block.reason:
                    whole.write(block)
                    continue
                reasons[block.photo] = block.reason
                if len(reasons) > self.max_refused:
                    raise self._too_many(reasons)
        return reasons

    def _too_many(self, reasons: Mapping[int, str]) -> TooManyRefusedError:
        paths = self.contents.paths
        return TooManyRefusedError(
            self.final,
            refused=[(paths[photo], reason) for photo, reason in reasons.items()],
            total=len(paths),
            limit=self.max_refused,
        )

    def _leave_out(self, reasons: Mapping[int, str], refused: tuple[Quarantined, ...]) -> None:
        """Write the file again without the refused photos, of which it may hold some rows."""
        with writing(self.final):
            full = partial_file(self.final).rename(unused(self.final, "interrupted"))
        source = RowSource(full, self.stamp.fingerprint)
        contents = self.contents.without(reasons)
        whole = PartialCache(
            partial_file(self.final),
            contents,
            stamp=replace(self.stamp, feature_dim=source.feature_dim),
            quarantined=refused,
            notes=source.notes,
        )
        try:
            source.copy_into(whole, source.locate(contents), step=contents.rows_per_tile)
            whole.check_finished()
        finally:
            whole.close()
        with writing(self.final):
            remove(full)


def _joined(notes: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all makers of rows say, each word once."""
    words: dict[str, set[str]] = defaultdict(set)
    for one in notes:
        for name, value in one.items():
            words[name].update(value.split(", "))
    return {name: ", ".join(sorted(values)) for name, values in words.items()}


def unused(final: Path, why: str) -> Path:
    """A free name beside the fold's file, such as `fold_0.1.superseded`."""
    number = 1
    while (candidate := final.with_name(f"{final.stem}.{number}.{why}")).exists():
        number += 1
    return candidate


def partial_file(final: Path) -> Path:
    """Where a fold's file is while it is written."""
    return final.with_suffix(".h5.partial")


def _copy(source: RowSource, whole: PartialCache, rows: NDArray[np.int64], step: int) -> None:
    """Take what a file still has; it may be gone or unreadable by now."""
    if source.feature_dim != whole.feature_dim:
        return
    try:
        source.copy_into(whole, rows, step=step)
    except (*UNUSABLE, UnreadableCacheError):
        # Its tiles stay missing, so another file gives them, or the embedder.
        return
