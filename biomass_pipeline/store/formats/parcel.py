"""What every format carries: one fold's features with all that its cache says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.cache import FeatureCache
from biomass_pipeline.store.contents import Quarantined, Stamp


class Columns(NamedTuple):
    """What has a row a tile, or a row a view and cell of one.

    Attributes:
        features: Shape (patch, feature), float16 or float32.
        coords: Shape (patch, 2), int32, (row_px, col_px).
        area_weight: Shape (patch,), float32.
    """

    features: NDArray[Any]
    coords: NDArray[np.int32]
    area_weight: NDArray[np.float32]


@dataclass(frozen=True)
class Parcel:
    """One fold's features on their way between two formats; fold None: photos without labels."""

    fold: int | None
    features: FeatureSet
    stamp: Stamp
    rows_per_tile: int = 1
    notes: Mapping[str, str] = field(default_factory=dict)
    quarantined: tuple[Quarantined, ...] = ()

    @classmethod
    def of(cls, fold: int | None, cache: FeatureCache) -> Self:
        """What a fold's file holds, its features left on disk.

        Raises:
            DamagedCacheError: It is not whole.
        """
        cache.check_whole()
        return cls(
            fold=fold,
            features=cache.memory_map(),
            stamp=cache.stamp(),
            rows_per_tile=cache.rows_per_tile(),
            notes=cache.notes(),
            quarantined=cache.quarantined(),
        )

    @property
    def n_photos(self) -> int:
        """How many photos have rows."""
        return len(self.features.image_ids)

    def columns(self, rows: slice = slice(None)) -> Columns:
        """Some rows, or all of them."""
        held = self.features
        return Columns(held.features[rows], held.coords[rows], held.area_weight[rows])

    def bag(self, photo: int) -> Columns:
        """The rows of one photo."""
        return self.columns(self.features.rows(photo))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All rows and `offsets`, by the names that the HDF5 file has for them."""
        return {**self.columns()._asdict(), "offsets": self.features.offsets}
