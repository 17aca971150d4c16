"""What each tile gives to the networks' predictions: the evidence that maps are made of.

Only a network can be divided over tiles exactly. A ridge reads pooled features, so where it is the
one that predicts, a map shows what the networks say, or that scaled to what the ridge says.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline import mil
from biomass_pipeline.config import BackboneConfig, TilingConfig
from biomass_pipeline.features import cells_of, views_of
from biomass_pipeline.inference.ensemble import Ensemble
from biomass_pipeline.store import FeatureSet

Floats = NDArray[np.float64]
Boxes = NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """Predictions of photos, divided up over their tiles.

    Attributes:
        image_ids: One a photo.
        offsets: Shape (photo + 1,): photo i has tiles `offsets[i]:offsets[i + 1]`.
        boxes: Shape (tile, 4), (row_px, col_px, height_px, width_px) of each tile, or of each cell
            of a tile where cells have rows of their own.
        area_weight: Shape (tile,), the share of its photo that each stands for.
        components: Shape (tile, component), >= 0; over a photo's tiles they add up to it.
        targets: What is predicted.
        additive: Whether a tile's part is what is found on it; else predictions are divided up by
            attention.
    """

    image_ids: tuple[str, ...]
    offsets: NDArray[np.int64]
    boxes: Boxes
    area_weight: Floats
    components: Floats
    targets: mil.TargetSpec
    additive: bool

    def tiles(self, photo: int) -> slice:
        """The tiles of one photo."""
        return slice(int(self.offsets[photo]), int(self.offsets[photo + 1]))

    def values(self, photo: int) -> Floats:
        """What each tile gives to each target, shape (tile, target): identities hold in each."""
        return self.targets.sums(self.components[self.tiles(photo)])

    def totals(self) -> Floats:
        """The predictions, shape (photo, target)."""
        return self.targets.sums(self._component_totals())

    def scaled_to(self, components: Floats) -> Self:
        """The same division of other predictions: each component by a factor of its own.

        Where nothing was found of what is predicted, it is spread evenly over the photo.

        Args:
            components: Shape (photo, component), >= 0.
        """
        found, counts = self._component_totals(), np.diff(self.offsets)
        factor = np.divide(components, found, out=np.zeros_like(found), where=found > 0)
        even = np.where(found > 0, 0.0, components)
        scaled = self.components * np.repeat(factor, counts, axis=0)
        spread = self.area_weight[:, None] * np.repeat(even, counts, axis=0)
        return replace(self, components=scaled + spread)

    def _component_totals(self) -> Floats:
        return np.add.reduceat(self.components, self.offsets[:-1], axis=0)


def ensemble_evidence(
    ensemble: Ensemble,
    features: FeatureSet,
    *,
    tiling: TilingConfig,
    backbone: BackboneConfig,
    device: str = "cpu",
    beside: mil.Beside | None = None,
) -> Evidence:
    """Divide what the networks of all folds predict over the tiles: the mean of what each says.

    The sum over tiles of a mean is the mean of the sums, so they add up to the ensemble's own
    prediction, when its model is `mil`.

    Args:
        ensemble: The folds' models; only their networks are asked.
        features: At least one photo.
        tiling: How the photos were cut.
        backbone: How tiles were read.
        device: As PyTorch names it.
        beside: Covariates, for networks that were trained with them.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
        MissingCovariateError: A covariate is missing that was never missing in training.
    """
    networks = [models.network for models in ensemble.folds]
    return evidence_of(
        networks, features, tiling=tiling, backbone=backbone, device=device, beside=beside
    )


def evidence_of(  # what is asked, of what, cut and read how, and where
    networks: "list[mil.TrainedFold]",
    features: FeatureSet,
    *,
    tiling: TilingConfig,
    backbone: BackboneConfig,
    device: str = "cpu",
    beside: mil.Beside | None = None,
) -> Evidence:
    """The same of some folds' networks; arguments and errors as in `ensemble_evidence`."""
    targets = networks[0].targets
    names = list(targets.components)
    said = [
        mil.tile_evidence(network, features, device=device, beside=beside)[names].to_numpy()
        for network in networks
    ]
    cells, views = cells_of(backbone, tile_px=tiling.tile_px), views_of(backbone)
    per_tile = (len(cells) - 1) ** 2
    shape = (-1, views, per_tile)
    components = np.mean(said, axis=0).reshape(*shape, len(names)).sum(axis=1)
    weight = features.area_weight.astype(np.float64).reshape(shape).sum(axis=1)
    return Evidence(
        image_ids=features.image_ids,
        offsets=features.offsets // views,
        boxes=_boxes(features.coords.reshape(*shape, 2)[:, 0], cells),
        area_weight=weight.ravel(),
        components=components.reshape(-1, len(names)),
        targets=targets,
        additive=all(network.additive for network in networks),
    )


def _boxes(corners: NDArray[np.int32], cells: tuple[int, ...]) -> Boxes:
    """The boxes of cells with these corners, shape (tile, cell, 2), as (tile * cell, 4)."""
    side = np.diff(cells)
    sizes = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(1, -1, 2)
    boxes = np.concatenate([corners, np.broadcast_to(sizes, corners.shape)], axis=-1)
    return boxes.reshape(-1, 4).astype(np.int64)
