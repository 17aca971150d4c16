"""Features that somebody else wrote with NumPy: `features.npy`, `offsets.npy`, `image_id.txt`.

Bag i, of the photo with the i-th id, is rows `offsets[i]:offsets[i + 1]`. What else a fold needs is
taken from its table of tiles: the rows of a photo must be one a tile, in the table's order, which
`coords.npy` may confirm.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import DamagedExportError, OtherPhotosError, UnsafeExportError
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.contents import FoldContents, Stamp
from biomass_pipeline.store.formats.parcel import Parcel

_FEATURES, _OFFSETS, _COORDS = "features.npy", "offsets.npy", "coords.npy"
_IDS = "image_id.npy", "image_id.txt"
_NOTE = "made_elsewhere"


def holds_plain_features(folder: Path) -> bool:
    """Whether somebody's arrays lie there."""
    return (folder / _FEATURES).exists()


@dataclass(frozen=True)
class PlainFeatures:
    """The arrays, features left on disk.

    Attributes:
        folder: Where they lie.
        features: Shape (row, feature).
        offsets: Shape (photo + 1,).
        image_ids: One a photo.
        coords: Shape (row, 2), (row_px, col_px); None if they are not there.
    """

    folder: Path
    features: NDArray[Any]
    offsets: NDArray[np.int64]
    image_ids: tuple[str, ...]
    coords: NDArray[Any] | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Look at the files of a folder.

        Raises:
            UnsafeExportError: One is a link or no plain file.
            DamagedExportError: One is missing, or they do not go together.
        """
        features = _array(folder / _FEATURES, n_axes=2, kinds="f")
        offsets = _array(folder / _OFFSETS, n_axes=1, kinds="iu")
        coords = folder / _COORDS
        given = _array(coords, n_axes=2, kinds="iu") if coords.exists() else None
        found = cls(folder, features, np.asarray(offsets), _ids(folder), given)
        if problem := found._problem():
            raise DamagedExportError(folder, problem)
        return found

    def parcel(self, fold: int | None, contents: FoldContents, *, stamp: Stamp) -> Parcel:
        """The photos of one fold, with what its table of tiles says of them.

        Raises:
            OtherPhotosError: A photo is missing, or has other rows than its tiles.
        """
        places = {name: place for place, name in enumerate(self.image_ids)}
        problems = [
            problem
            for photo, name in enumerate(contents.image_ids)
            if (problem := self._difference(places.get(name), contents, photo))
        ]
        if problems:
            where = "unlabelled photos" if fold is None else f"fold {fold}"
            raise OtherPhotosError(self.folder, where=where, differences=problems)
        bags = [self._rows(places[name]) for name in contents.image_ids]
        rows = [self.features[bag] for bag in bags] or [self.features[:0]]
        held = FeatureSet(
            features=np.concatenate(rows),
            coords=contents.coords,
            area_weight=contents.area_weight,
            image_ids=contents.image_ids,
            image_sha256=contents.image_sha256,
            offsets=contents.offsets,
        )
        return Parcel(fold, held, stamp, contents.rows_per_tile, {_NOTE: "yes"})

    def holds(self, contents: FoldContents) -> bool:
        """Whether any of these photos is among them."""
        return not {*self.image_ids}.isdisjoint(contents.image_ids)

    def check_known(self, folds: Sequence[FoldContents]) -> None:
        """Make sure that every photo is one of these folds'.

        Raises:
            OtherPhotosError: Some are not.
        """
        known = {name for contents in folds for name in contents.image_ids}
        strangers = [name for name in self.image_ids if name not in known]
        if strangers:
            problems = [f"photo {name} is none of its photos" for name in strangers]
            raise OtherPhotosError(self.folder, where="any fold", differences=problems)

    def _difference(self, place: int | None, contents: FoldContents, photo: int) -> str:
        name, wanted = contents.image_ids[photo], contents.coords[contents.rows(photo)]
        if place is None:
            return f"photo {name} is missing"
        rows = self._rows(place)
        if rows.stop - rows.start != len(wanted):
            n_rows = rows.stop - rows.start
            return f"photo {name} has {n_rows} rows where its tiles have {len(wanted)}"
        if self.coords is not None and not np.array_equal(self.coords[rows], wanted):
            return f"photo {name} has tiles at other places"
        return ""

    def _rows(self, place: int) -> slice:
        return slice(int(self.offsets[place]), int(self.offsets[place + 1]))

    def _problem(self) -> str:
        """Why these arrays do not go together; empty if they do."""
        n_rows, n_photos = len(self.features), len(self.image_ids)
        if len(self.offsets) != n_photos + 1:
            return f"{n_photos} ids need {n_photos + 1} offsets, but there are {len(self.offsets)}"
        if self.offsets[0] != 0 or self.offsets[-1] != n_rows or (np.diff(self.offsets) <= 0).any():
            return f"the offsets do not cover its {n_rows} rows"
        if self.coords is not None and self.coords.shape != (n_rows, 2):
            return f"{_COORDS} does not have a row_px and a col_px for each row"
        twice = [name for name, count in Counter(self.image_ids).items() if count > 1]
        return f"photo {twice[0]} stands in it twice" if twice else ""


def _array(path: Path, *, n_axes: int, kinds: str) -> NDArray[Any]:
    """An array, mapped; nothing in it is an object.

    Args:
        path: Where.
        n_axes: How many it has.
        kinds: NumPy's letters for the kinds of numbers or texts that it may hold.
    """
    _check_plain(path)
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DamagedExportError(path, str(error)) from error
    if found.ndim != n_axes or found.dtype.kind not in kinds:
        raise DamagedExportError(path, f"it holds {found.dtype} in {found.ndim} axes")
    return found


def _ids(folder: Path) -> tuple[str, ...]:
    """The ids, from an array of texts or from lines."""
    array, lines = (folder / name for name in _IDS)
    if array.exists():
        return tuple(_array(array, n_axes=1, kinds="U").tolist())
    _check_plain(lines)
    try:
        return tuple(lines.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except UnicodeDecodeError as error:
        raise DamagedExportError(lines, "it is not UTF-8") from error


def _check_plain(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UnsafeExportError(path, "it is a link or no plain file")
    if not path.exists():
        raise DamagedExportError(path, "it is missing")
