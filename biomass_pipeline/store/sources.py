"""Rows that are on disk already, found by content and copied only while they pass their check."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import DamagedCacheError
from biomass_pipeline.store.checks import photo_seeds, row_checks
from biomass_pipeline.store.contents import FoldContents
from biomass_pipeline.store.partial import PartialCache
from biomass_pipeline.store.schema import completion, opened, read_notes, texts

# Copied at once: enough to be fast, little enough to be held.
_PIECE_BYTES = 32 * 2**20


class RowSource:
    """The written rows of an existing file, whole or interrupted, found by their content."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self._fingerprint = fingerprint
        with opened(path, fingerprint) as file:
            self.feature_dim = int(file["features"].shape[1])
            self.notes = read_notes(file)
            hashes, offsets = texts(file, "image_sha256"), file["offsets"][...]
            _check_offsets(path, offsets, n_rows=len(file["features"]), n_photos=len(hashes))
            lengths = np.diff(offsets)
            self._offsets = offsets
            self._coords = file["coords"][...]
            self._area_weight = file["area_weight"][...]
            self._seeds = np.repeat(photo_seeds(texts(file, "image_id"), hashes), lengths)
            self._checks = file["row_check"][...] if "row_check" in file else None
            whole = np.repeat(completion(file), lengths)
        self._written = whole if self._checks is None else self._checks != 0
        self._photos: dict[str, list[int]] = defaultdict(list)
        for photo, sha in enumerate(hashes):
            if self._written[offsets[photo] : offsets[photo + 1]].any():
                self._photos[sha].append(photo)

    @property
    def image_sha256(self) -> frozenset[str]:
        """The contents that this file has rows of."""
        return frozenset(self._photos)

    def locate(self, contents: FoldContents) -> NDArray[np.int64]:
        """The first row here of each tile of a fold, or -1; shape (tile,)."""
        first_rows = np.full(len(contents.tiles), -1, np.int64)
        edges = contents.tile_offsets.tolist()
        for photo, sha in enumerate(contents.image_sha256):
            for known in self._photos.get(sha, ()):
                here = first_rows[edges[photo] : edges[photo + 1]]
                found = self._match(known, contents, photo)
                np.copyto(here, found, where=here < 0)
        return first_rows

    def copy_into(self, partial: PartialCache, first_rows: NDArray[np.int64], *, step: int) -> None:
        """Copy located tiles that are still missing there; damaged ones stay missing.

        Args:
            partial: The file to fill.
            first_rows: What `locate` gave.
            step: Rows a tile.
        """
        tiles = np.flatnonzero(partial.missing & (first_rows >= 0))
        if not len(tiles):
            return
        with self._reading() as read:
            for piece in np.split(tiles, range(read.n_tiles(step), len(tiles), read.n_tiles(step))):
                rows = (first_rows[piece, None] + np.arange(step)).ravel()
                features = read(rows)
                intact = self._intact(rows, features).reshape(-1, step).all(axis=1)
                if not intact.all():
                    features = features[np.repeat(intact, step)]
                partial.adopt(piece[intact], features)

    def _match(self, known: int, contents: FoldContents, photo: int) -> NDArray[np.int64]:
        """The first row here of each tile of one photo, or -1."""
        step = contents.rows_per_tile
        start, stop = int(self._offsets[known]), int(self._offsets[known + 1])
        have, want = self._coords[start:stop], contents.coords[contents.rows(photo)]
        if have.shape == want.shape and (have == want).all():
            found = np.arange(start, stop, step)
        elif len(have) % step:
            return np.full(len(want) // step, -1)
        else:
            places = {
                tile.tobytes(): start + step * place
                for place, tile in enumerate(have.reshape(-1, step, 2))
            }
            tiles = want.reshape(-1, step, 2)
            found = np.array([places.get(tile.tobytes(), -1) for tile in tiles], np.int64)
        written = self._written[found[:, None] + np.arange(step)].all(axis=1)
        return np.where((found >= 0) & written, found, -1)

    def _intact(self, rows: NDArray[np.int64], features: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each row is what was once written; a file made elsewhere cannot say."""
        if self._checks is None:
            return np.ones(len(rows), bool)
        found = row_checks(features, self._coords[rows], self._area_weight[rows], self._seeds[rows])
        intact: NDArray[np.bool_] = found == self._checks[rows]
        return intact

    @contextmanager
    def _reading(self) -> Iterator["_Reader"]:
        with opened(self.path, self._fingerprint) as file:
            place = file["features"].id.get_offset()
            if place is None:
                yield _Reader(file["features"], None, 0)
                return
            with self.path.open("rb", buffering=0) as raw:
                yield _Reader(file["features"], raw, place)


class _Reader:
    """Reads any rows of a dataset; plainly where it lies in one piece, which HDF5 is slow at."""

    def __init__(self, data: h5py.Dataset, raw: BinaryIO | None, place: int) -> None:
        self._data = data
        self._raw = raw
        self._place = place
        self._row_bytes = data.shape[1] * data.dtype.itemsize

    def n_tiles(self, step: int) -> int:
        """How many tiles to read at once."""
        return int(max(1, _PIECE_BYTES // (self._row_bytes * step)))

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        features = np.empty((len(rows), self._data.shape[1]), self._data.dtype)
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        edges = [0, *breaks.tolist(), len(rows)]
        for start, stop in pairwise(edges):
            first = int(rows[start])
            if self._raw is None:
                features[start:stop] = self._data[first : first + stop - start]
            else:
                self._read_at(self._raw, first, features[start:stop])
        return features

    def _read_at(self, raw: BinaryIO, first: int, into: NDArray[Any]) -> None:
        raw.seek(self._place + first * self._row_bytes)
        rest = into.data.cast("B")
        while rest:
            n_bytes = raw.readinto(rest)  # type: ignore[attr-defined]  # an unbuffered file has it
            if not n_bytes:
                raise DamagedCacheError(Path(raw.name), "it ends before its rows do")
            rest = rest[n_bytes:]


def _check_offsets(path: Path, offsets: NDArray[np.int64], *, n_rows: int, n_photos: int) -> None:
    fits = len(offsets) == n_photos + 1 and offsets[0] == 0 and offsets[-1] == n_rows
    if not fits or (np.diff(offsets) < 0).any():
        raise DamagedCacheError(path, "the offsets do not cover the feature rows")
