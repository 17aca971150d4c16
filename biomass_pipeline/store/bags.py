"""Features of many photos in memory: flat rows with offsets. No file is opened here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureSet:
    """The tiles' features of several photos; bag i is rows `offsets[i]:offsets[i + 1]`.

    Attributes:
        features: Shape (patch, feature), float16 or float32.
        coords: Shape (patch, 2), int32, the tile's (row_px, col_px).
        area_weight: Shape (patch,), float32; sums to 1 over a photo.
        image_ids: One a bag.
        image_sha256: One a bag.
        offsets: Shape (bag + 1,), int64.
    """

    features: NDArray[Any]
    coords: NDArray[np.int32]
    area_weight: NDArray[np.float32]
    image_ids: tuple[str, ...]
    image_sha256: tuple[str, ...]
    offsets: NDArray[np.int64]

    @property
    def feature_dim(self) -> int:
        """The width of a feature row."""
        return int(self.features.shape[1])

    def bag(self, index: int) -> NDArray[Any]:
        """The features of one photo, shape (tile, feature)."""
        return self.features[self.offsets[index] : self.offsets[index + 1]]

    def rows(self, index: int) -> slice:
        """The rows of one photo."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def part(self, start: int, stop: int) -> Self:
        """The bags from `start` up to `stop`, or to the last one; features are a view."""
        stop = min(stop, len(self.image_ids))
        rows = slice(int(self.offsets[start]), int(self.offsets[stop]))
        return replace(
            self,
            features=self.features[rows],
            coords=self.coords[rows],
            area_weight=self.area_weight[rows],
            image_ids=self.image_ids[start:stop],
            image_sha256=self.image_sha256[start:stop],
            offsets=self.offsets[start : stop + 1] - self.offsets[start],
        )

    def in_content_order(self) -> Self:
        """The same bags sorted by content, so that names and folds leave no trace in the order."""
        keys = list(zip(self.image_sha256, self.image_ids, strict=True))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        lengths = np.diff(self.offsets)[order]
        rows = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in order]
        index = np.concatenate(rows) if rows else np.empty(0, np.int64)
        return replace(
            self,
            features=self.features[index],
            coords=self.coords[index],
            area_weight=self.area_weight[index],
            image_ids=tuple(self.image_ids[i] for i in order),
            image_sha256=tuple(self.image_sha256[i] for i in order),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join several sets, bags in the order given.

        Raises:
            ValueError: There is no part.
        """
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(
            features=np.concatenate([part.features for part in parts]),
            coords=np.concatenate([part.coords for part in parts]),
            area_weight=np.concatenate([part.area_weight for part in parts]),
            image_ids=tuple(name for part in parts for name in part.image_ids),
            image_sha256=tuple(digest for part in parts for digest in part.image_sha256),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )
