"""A fold's file while it is written: rows in place, each with its check once it is there.

The file's structure is on disk, whole and closed, before the first row. From then on rows are plain
writes at known places, so a killed process leaves a file that HDF5 opens, and readers may look at
any time (single writer, multiple readers) without either waiting for the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import FeatureRangeError, FeatureShapeError, UnfinishedCacheError
from biomass_pipeline.store.checks import photo_seeds, row_checks
from biomass_pipeline.store.contents import FoldContents, Quarantined, Stamp
from biomass_pipeline.store.disk import remove, reserve, write_at, writing
from biomass_pipeline.store.schema import lay_out

_CHECK_BYTES = 8


class Block(Protocol):
    """Some whole tiles of one photo, or the reason why the photo is refused."""

    @property
    def photo(self) -> int:
        """Its place in the contents."""

    @property
    def tiles(self) -> NDArray[np.int64]:
        """Shape (tile,), positions among the photo's tiles."""

    @property
    def features(self) -> NDArray[Any]:
        """Shape (tile * rows_per_tile, feature)."""

    @property
    def reason(self) -> str:
        """Why the photo is refused; empty if it is not."""


class PartialCache:
    """The one writer of a fold's file."""

    def __init__(
        self,
        path: Path,
        contents: FoldContents,
        *,
        stamp: Stamp,
        quarantined: Sequence[Quarantined] = (),
        notes: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._contents = contents
        self._stamp = stamp
        self._seeds = photo_seeds(contents.image_ids, contents.image_sha256)
        self._offsets = contents.tile_offsets
        self._photo_of_tile = np.repeat(np.arange(len(self._seeds)), np.diff(self._offsets))
        self._missing = np.ones(len(self._photo_of_tile), bool)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._places = lay_out(
                path, contents, stamp=stamp, quarantined=quarantined, notes=notes or {}
            )
            # Unbuffered: what was written is the system's, whatever happens to this process.
            self._file = path.open("r+b", buffering=0)
            try:
                reserve(self._file)
            except OSError:
                # It has no row, and would keep from others the space that is short.
                self._file.close()
                remove(path)
                raise

    @property
    def feature_dim(self) -> int:
        """The width of a feature row."""
        return self._stamp.feature_dim

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Shape (tile of the fold,): those that are not written yet."""
        return self._missing.copy()

    def missing_tiles(self) -> dict[int, NDArray[np.int64]]:
        """The positions of what is not written yet, by photo."""
        places = np.flatnonzero(self._missing)
        photos = self._photo_of_tile[places]
        starts = np.flatnonzero(np.diff(photos, prepend=-1))
        pieces = np.split(places, starts[1:])
        return {
            int(photos[start]): piece - self._offsets[photos[start]]
            for start, piece in zip(starts, pieces, strict=False)
        }

    def write(self, block: Block) -> None:
        """Store some tiles of one photo.

        Raises:
            FeatureShapeError: These are not the rows of these tiles.
            FeatureRangeError: A value is not finite or does not fit the file's number type.
            UnwritableCacheError: The disk or the folder refuses.
        """
        contents = self._contents
        expected = (len(block.tiles) * contents.rows_per_tile, self._stamp.feature_dim)
        if block.features.shape != expected:
            raise FeatureShapeError(
                contents.image_ids[block.photo], found=block.features.shape, expected=expected
            )
        stored = self._stored(block.features)
        finite = np.isfinite(stored).all(axis=1)
        if not finite.all():
            raise self._out_of_range(block, int(np.argmin(finite)))
        self._put(self._offsets[block.photo] + block.tiles, stored)

    def adopt(self, tiles: NDArray[np.int64], features: NDArray[Any]) -> None:
        """Store rows that another file holds; those that do not fit stay missing.

        Args:
            tiles: Shape (tile,), their places in the fold.
            features: Shape (tile * rows_per_tile, feature).
        """
        stored, step = self._stored(features), self._contents.rows_per_tile
        fits = np.isfinite(stored).all(axis=1).reshape(-1, step).all(axis=1)
        self._put(tiles[fits], stored if fits.all() else stored[np.repeat(fits, step)])

    def check_finished(self, *, but: Sequence[int] = ()) -> None:
        """Make sure that every tile is there, apart from those of some photos.

        Raises:
            UnfinishedCacheError: Tiles are missing.
        """
        lacking = [photo for photo in self.missing_tiles() if photo not in but]
        if lacking:
            first = self._contents.image_ids[lacking[0]]
            raise UnfinishedCacheError(self._path, image_id=first, n_photos=len(lacking))

    def close(self) -> None:
        """Close the file; it stays a partial one until it is renamed."""
        with writing(self._path):
            self._file.close()

    def _stored(self, features: NDArray[Any]) -> NDArray[Any]:
        # What overflows becomes infinite, and is refused.
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(features, dtype=self._stamp.dtype)

    def _put(self, tiles: NDArray[np.int64], stored: NDArray[Any]) -> None:
        """Write rows, then their checks, then which photos they complete."""
        contents, step = self._contents, self._contents.rows_per_tile
        rows = (tiles[:, None] * step + np.arange(step)).ravel()
        checks = row_checks(
            stored,
            contents.coords[rows],
            contents.area_weight[rows],
            np.repeat(self._seeds[self._photo_of_tile[tiles]], step),
        )
        row_bytes = stored.shape[1] * stored.itemsize
        with writing(self._path):
            for start, stop in _runs(rows):
                self._write("features", int(rows[start]) * row_bytes, stored[start:stop])
            for start, stop in _runs(rows):
                self._write("row_check", int(rows[start]) * _CHECK_BYTES, checks[start:stop])
            self._missing[tiles] = False
            for photo in np.unique(self._photo_of_tile[tiles]):
                if not self._missing[self._offsets[photo] : self._offsets[photo + 1]].any():
                    self._write("complete", int(photo), np.ones(1, np.uint8))

    def _write(self, name: str, start: int, values: NDArray[Any]) -> None:
        if values.size:
            write_at(self._file, self._places[name] + start, values.data)

    def _out_of_range(self, block: Block, row: int) -> FeatureRangeError:
        contents = self._contents
        tile = int(block.tiles[row // contents.rows_per_tile])
        row_px, col_px = contents.tile_coords(block.photo)[tile]
        return FeatureRangeError(
            contents.image_ids[block.photo],
            tile=f"tile {tile} at row_px {row_px}, col_px {col_px}",
            backbone=self._stamp.backbone,
            dtype=self._stamp.dtype,
            largest=float(np.abs(np.nan_to_num(block.features[row], nan=np.inf)).max()),
        )


def _runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Where neighbours stand together, as (start, stop) within `rows`."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return pairwise(edges) if len(rows) else iter(())
