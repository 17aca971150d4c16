"""Padded, masked bags in one tensor on the device. Everything a network reads is here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from biomass_pipeline.errors import EmptyBagError
from biomass_pipeline.store.bags import FeatureSet


@dataclass(frozen=True)
class BagBatch:
    """Several photos' tiles, padded to the longest photo.

    Attributes:
        features: Shape (bag, tile, feature), float32; zero where padded.
        mask: Shape (bag, tile), bool; True where there is a tile.
        area_weight: Shape (bag, tile), float32; sums to 1 over the tiles of a bag, exactly 0
            where padded.
        covariates: Shape (bag, covariate), float32; NaN where missing, width 0 where none are read.
    """

    features: Tensor
    mask: Tensor
    area_weight: Tensor
    covariates: Tensor

    def __len__(self) -> int:
        """How many bags."""
        return int(self.mask.shape[0])

    @classmethod
    def from_feature_set(
        cls,
        features: FeatureSet,
        *,
        device: str = "cpu",
        covariates: NDArray[np.float64] | None = None,
    ) -> Self:
        """Lay a feature set out as one padded tensor, with the bags' covariates if there are any.

        Area weights are renormalised over a bag's tiles (float16 storage and subsets of tiles
        leave their sum near 1 only); a bag whose weights are all zero gets equal ones.

        Raises:
            EmptyBagError: A photo has no tile.
        """
        lengths = np.diff(features.offsets)
        if len(lengths) == 0 or lengths.min() == 0:
            raise EmptyBagError([features.image_ids[i] for i in np.flatnonzero(lengths == 0)])
        mask = np.arange(lengths.max()) < lengths[:, None]
        padded = np.zeros((*mask.shape, features.feature_dim), dtype=np.float32)
        padded[mask] = features.features
        weight = np.zeros(mask.shape, dtype=np.float64)
        weight[mask] = features.area_weight
        totals = weight.sum(axis=1, keepdims=True)
        weight = np.where(
            totals > 0, weight / np.where(totals > 0, totals, 1), mask / lengths[:, None]
        )
        return cls(
            features=torch.from_numpy(padded).to(device),
            mask=torch.from_numpy(mask).to(device),
            area_weight=torch.from_numpy(weight.astype(np.float32)).to(device),
            covariates=_tensor(covariates, n_bags=len(lengths)).to(device),
        )

    def select(self, index: Tensor) -> Self:
        """The given bags, in the given order, index of shape (bag,)."""
        return type(self)(
            self.features[index], self.mask[index], self.area_weight[index], self.covariates[index]
        )

    def with_features(self, features: Tensor) -> Self:
        """The same bags with other features, shape (bag, tile, another feature)."""
        return replace(self, features=features)


def require_tiles(mask: Tensor) -> None:
    """Refuse bags that are padding only.

    Args:
        mask: Shape (bag, tile), bool.

    Raises:
        EmptyBagError: A bag has no tile, named by its position.
    """
    empty = ~mask.any(dim=1)
    if bool(empty.any()):
        raise EmptyBagError([f"bag {i}" for i in empty.nonzero().flatten().tolist()])


def batches(
    features: FeatureSet,
    *,
    n_bags: int,
    device: str = "cpu",
    covariates: NDArray[np.float64] | None = None,
) -> Iterator[BagBatch]:
    """Cut a set into batches, in its order, each padded to its own longest photo.

    Raises:
        EmptyBagError: A photo has no tile.
    """
    for start in range(0, len(features.image_ids), n_bags):
        stop = min(start + n_bags, len(features.image_ids))
        part = features.part(start, stop)
        known = None if covariates is None else covariates[start:stop]
        yield BagBatch.from_feature_set(part, device=device, covariates=known)


def _tensor(covariates: NDArray[np.float64] | None, *, n_bags: int) -> Tensor:
    if covariates is None:
        return torch.empty((n_bags, 0))
    return torch.from_numpy(covariates.astype(np.float32))
