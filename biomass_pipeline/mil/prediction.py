"""Predicting photos with a trained fold, and the tiles behind each prediction."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from biomass_pipeline.errors import FeatureWidthError
from biomass_pipeline.mil.bags import BagBatch, batches
from biomass_pipeline.mil.calibration import prediction_frame
from biomass_pipeline.mil.checkpoints import TrainedFold
from biomass_pipeline.store.bags import FeatureSet

_BAGS_AT_ONCE = 256


def predict(
    trained: TrainedFold, features: FeatureSet, *, level: float, device: str = "cpu"
) -> pd.DataFrame:
    """Predict photos: the mean over the ensemble, scaled, with group-conformal intervals.

    Args:
        trained: A fold's ensemble.
        features: The photos; any number of tiles each.
        level: Wanted coverage of new groups by the intervals.
        device: As PyTorch names it.

    Returns:
        Columns `image_id, target, y_pred, y_lower, y_upper`, a row a photo and target, in the
        order of photos and targets.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
    """
    shares = [tiles.sum(axis=1) for _, tiles in _shares(trained, features, device=device)]
    return prediction_frame(
        features.image_ids,
        np.concatenate(shares),
        targets=trained.targets,
        halfwidths=trained.inner.halfwidths(trained.targets, scale=trained.scale, level=level),
    )


def tile_evidence(
    trained: TrainedFold, features: FeatureSet, *, device: str = "cpu"
) -> pd.DataFrame:
    """Each tile's share of each prediction; over a photo's tiles they add up to it.

    Under `additive_density` a share is the biomass found on the tile's area; under
    `gated_attention` it is the prediction divided up by attention.

    Returns:
        Columns `image_id, tile, row_px, col_px`, and one a target, a row a tile.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
    """
    shares = [tiles[mask] for mask, tiles in _shares(trained, features, device=device)]
    counts = np.diff(features.offsets)
    tile = np.arange(len(features.coords)) - np.repeat(features.offsets[:-1], counts)
    place = pd.DataFrame(
        {
            "image_id": np.repeat(np.array(features.image_ids, dtype=object), counts),
            "tile": tile,
            "row_px": features.coords[:, 0],
            "col_px": features.coords[:, 1],
        }
    ).astype({"image_id": "str"})
    values = trained.targets.sums(np.concatenate(shares))
    return pd.concat([place, pd.DataFrame(values, columns=list(trained.targets.names))], axis=1)


def _shares(
    trained: TrainedFold, features: FeatureSet, *, device: str
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Masks (bag, tile) and shares (bag, tile, component) in the targets' units."""
    if features.feature_dim != trained.feature_dim:
        raise FeatureWidthError(found=features.feature_dim, expected=trained.feature_dim)
    for bags in batches(features, n_bags=_BAGS_AT_ONCE, device=device):
        mean = torch.stack([_member_shares(trained, bags, n) for n in range(len(trained.members))])
        shares = mean.mean(dim=0).cpu().numpy() * trained.scale
        yield bags.mask.cpu().numpy(), shares


@torch.inference_mode()
def _member_shares(trained: TrainedFold, bags: BagBatch, number: int) -> Tensor:
    network = trained.members[number].network.to(bags.mask.device)
    shares: Tensor = network(bags).shares
    return (shares * network.labels.component_mean).double()
