"""Reading a cache file against its own checks: what is damaged, by photo and tile."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import DamagedCacheError
from biomass_pipeline.store.checks import photo_seeds, row_checks
from biomass_pipeline.store.schema import completion, read_quarantined, texts

_PIECE_BYTES = 32 * 2**20
_SHOWN = 5


@dataclass(frozen=True)
class Damage:
    """One photo whose rows are not what was written.

    Attributes:
        image_id: As the file says.
        tiles: Positions of the tiles concerned; none if the photo was never finished.
        problem: What is wrong, in words.
    """

    image_id: str
    tiles: tuple[int, ...]
    problem: str

    def __str__(self) -> str:
        return f"photo {self.image_id}: {self.problem}"


@dataclass(frozen=True)
class Inspection:
    """What reading a whole file found.

    Attributes:
        has_checks: Whether its rows carry checks; without them only NaN would be seen.
        n_quarantined: How many of the fold's photos it lacks, each with a reason.
    """

    has_checks: bool
    n_quarantined: int
    damages: tuple[Damage, ...]

    def summary(self) -> str:
        """The damages in one line, the first few by name."""
        shown = "; ".join(map(str, self.damages[:_SHOWN]))
        rest = len(self.damages) - _SHOWN
        return shown + (f"; and {rest} more photos" if rest > 0 else "")


def inspect(path: Path, file: h5py.File) -> Inspection:
    """Read everything once, piece by piece.

    Raises:
        DamagedCacheError: The rows cannot be told apart by photo.
    """
    offsets = file["offsets"][...]
    ids, hashes = texts(file, "image_id"), texts(file, "image_sha256")
    _check_shapes(path, file, offsets, n_photos=len(ids))
    quarantined = read_quarantined(file)
    bad = _bad_rows(file, np.repeat(photo_seeds(ids, hashes), np.diff(offsets)))
    complete = completion(file)
    counts = np.diff(np.concatenate([[0], np.cumsum(bad)])[offsets])
    step = int(file.attrs.get("rows_per_tile", 1))
    damages = tuple(
        _damage(file, ids[photo], bad, rows=slice(*offsets[photo : photo + 2]), step=step)
        if complete[photo]
        else Damage(ids[photo], (), "it is incomplete")
        for photo in np.flatnonzero((counts > 0) | ~complete)
    )
    return Inspection("row_check" in file, len(quarantined), damages)


def row_pieces(file: h5py.File) -> Iterator[slice]:
    """Slices of the rows, each small enough to be held."""
    data = file["features"]
    length = max(1, _PIECE_BYTES // max(1, data.shape[1] * data.dtype.itemsize))
    for start in range(0, len(data), length):
        yield slice(start, min(start + length, len(data)))


def _bad_rows(file: h5py.File, seeds: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which rows fail their check or are not finite, shape (row,)."""
    bad = np.zeros(len(seeds), bool)
    # Not `get`, which would take a dataset that cannot be opened for one that is not there.
    checks = file["row_check"] if "row_check" in file else None  # noqa: SIM401  # as said
    for piece in row_pieces(file):
        features = file["features"][piece]
        bad[piece] = ~np.isfinite(features).all(axis=1)
        if checks is not None:
            coords, area_weight = file["coords"][piece], file["area_weight"][piece]
            bad[piece] |= row_checks(features, coords, area_weight, seeds[piece]) != checks[piece]
    return bad


def _damage(
    file: h5py.File, image_id: str, bad: NDArray[np.bool_], *, rows: slice, step: int
) -> Damage:
    tiles = np.unique(np.flatnonzero(bad[rows]) // step)
    row_px, col_px = file["coords"][rows.start + int(tiles[0]) * step]
    named = f"tile {tiles[0]} (row_px {row_px}, col_px {col_px})"
    more = f" and {len(tiles) - 1} more tiles" if len(tiles) > 1 else ""
    finite = np.isfinite(file["features"][rows]).all()
    problem = "is not what was written" if finite else "has features that are NaN or infinite"
    return Damage(image_id, tuple(tiles.tolist()), f"{named}{more} {problem}")


def _check_shapes(
    path: Path, file: h5py.File, offsets: NDArray[np.int64], *, n_photos: int
) -> None:
    n_rows = len(file["features"])
    fits = len(offsets) == n_photos + 1 and offsets[0] == 0 and offsets[-1] == n_rows
    if not fits or (np.diff(offsets) <= 0).any():
        raise DamagedCacheError(path, "the offsets do not cover the feature rows")
