"""Taking features over into the HDF5 cache, as if they had been embedded just now."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.store.contents import FoldContents
from biomass_pipeline.store.folder import FeatureFolder, Written
from biomass_pipeline.store.formats.matching import check_match, places_of
from biomass_pipeline.store.formats.parcel import Parcel


@dataclass(frozen=True)
class Rows:
    """Some tiles of one photo, or the reason why it has none."""

    photo: int
    tiles: NDArray[np.int64]
    features: NDArray[Any]
    reason: str = ""


@dataclass(frozen=True)
class Delivery:
    """An embedder whose rows are in a parcel already."""

    parcel: Parcel
    contents: FoldContents

    def feature_dim(self) -> int:
        """The width of a feature row."""
        return self.parcel.features.feature_dim

    def notes(self) -> Mapping[str, str]:
        """What the first maker noted."""
        return self.parcel.notes

    def embed(self, wanted: Mapping[int, NDArray[np.int64]]) -> Generator[Rows]:
        """Yield the wanted tiles, a photo at a time, and why quarantined photos have none."""
        places, step = places_of(self.parcel), self.contents.rows_per_tile
        reasons = {photo.image_id: photo.reason for photo in self.parcel.quarantined}
        for photo, tiles in wanted.items():
            name = self.contents.image_ids[photo]
            if name in reasons:
                nothing = np.empty((0, self.feature_dim()), np.float32)
                yield Rows(photo, np.empty(0, np.int64), nothing, reasons[name])
                continue
            rows = (tiles[:, None] * step + np.arange(step)).ravel()
            yield Rows(photo, tiles, self.parcel.features.bag(places[name])[rows])


def import_parcel(
    parcel: Parcel, contents: FoldContents, folder: FeatureFolder, *, path: Path
) -> Written:
    """Write a fold's HDF5 file from a parcel; rows that are here already are left as they are.

    Args:
        parcel: The features.
        contents: What the fold has, by `patch_index`.
        folder: Where caches are kept.
        path: Of the parcel, for errors.

    Raises:
        OtherPhotosError: It holds other photos or tiles than the fold.
        FeatureRangeError: A number is not finite or does not fit the number type.
        BusyCacheError: Another process writes this fold.
        UnwritableCacheError: The disk or the folder refuses.
    """
    check_match(parcel, contents, path=path)
    return folder.write(
        parcel.fold,
        contents,
        stamp=parcel.stamp,
        embedder=Delivery(parcel, contents),
        max_refused=len(parcel.quarantined),
    )
