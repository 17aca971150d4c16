"""Predicting photos with a trained fold, and the tiles behind each prediction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from biomass_pipeline.errors import FeatureWidthError
from biomass_pipeline.mil.bags import BagBatch, batches
from biomass_pipeline.mil.checkpoints import TrainedFold
from biomass_pipeline.mil.distributions import Distribution
from biomass_pipeline.mil.metadata import covariate_columns, covariates_of
from biomass_pipeline.mil.network import BagNetwork
from biomass_pipeline.mil.predictive import (
    PredictionSpec,
    Predictive,
    copula_draws,
    predictive_of,
)
from biomass_pipeline.mil.scaler import Scaler
from biomass_pipeline.store.bags import FeatureSet

Floats = NDArray[np.float64]

_BAGS_AT_ONCE = 256


@dataclass(frozen=True)
class Beside:
    """What is known of photos beside their pixels.

    Attributes:
        table: Column `image_id` and the covariates by name; other rows and columns are ignored.
        date_column: The column of dates that `season` is made of.
    """

    table: pd.DataFrame
    date_column: str | None = None


def predict(
    trained: TrainedFold,
    features: FeatureSet,
    *,
    spec: PredictionSpec,
    device: str = "cpu",
    beside: Beside | None = None,
) -> Predictive:
    """Predict photos: the mean over the ensemble, scaled, with group-conformal intervals.

    Args:
        trained: A fold's ensemble.
        features: The photos; any number of tiles each.
        spec: Levels of the intervals, and how many draws.
        device: As PyTorch names it.
        beside: Covariates, for an ensemble that was trained with them.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
        MissingCovariateError: A covariate is missing that a network never missed in training.
    """
    batched = list(_batches(trained, features, device=device, beside=beside))
    said = [_said(trained, bags) for bags in batched]
    outputs = np.concatenate([np.mean([found for found, _ in each], axis=0) for each in said])
    return predictive_of(
        features.image_ids,
        trained.components_of(outputs),
        inner=trained.inner,
        targets=trained.targets,
        spec=spec,
        draws=_draws(
            trained,
            [[distribution for _, distribution in each] for each in said],
            n_photos=len(features.image_ids),
            spec=spec,
        ),
    )


def tile_evidence(
    trained: TrainedFold,
    features: FeatureSet,
    *,
    device: str = "cpu",
    beside: Beside | None = None,
) -> pd.DataFrame:
    """Each tile's share of each prediction; over a photo's tiles they add up to it.

    Under an additive aggregator a share is the biomass found on the tile's area; under attention
    it is the prediction divided up by attention.

    Returns:
        Columns `image_id, tile, row_px, col_px`, and one a target, a row a tile.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
        MissingCovariateError: A covariate is missing that a network never missed in training.
    """
    shares = [
        _target_shares(trained, bags)[bags.mask.cpu().numpy()]
        for bags in _batches(trained, features, device=device, beside=beside)
    ]
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
    values = pd.DataFrame(np.concatenate(shares), columns=list(trained.targets.names))
    return pd.concat([place, values], axis=1)


def _batches(
    trained: TrainedFold, features: FeatureSet, *, device: str, beside: Beside | None
) -> Iterator[BagBatch]:
    if features.feature_dim != trained.feature_dim:
        raise FeatureWidthError(found=features.feature_dim, expected=trained.feature_dim)
    known = beside or Beside(pd.DataFrame({"image_id": list(features.image_ids)}))
    names = trained.covariates
    values = covariates_of(
        known.table, features.image_ids, names=names, date_column=known.date_column
    )
    # Each network sets other groups aside, so what one learnt to do without another may not have.
    for network in _networks(trained):
        if network.covariates is not None:
            network.covariates.refuse_absent(torch.from_numpy(values), covariate_columns(names))
    return batches(features, n_bags=_BAGS_AT_ONCE, device=device, covariates=values)


def _said(trained: TrainedFold, bags: BagBatch) -> list[tuple[Floats, Distribution | None]]:
    """What each network says of some bags: outputs of shape (bag, output), and distributions.

    Networks whose scalers are alike read the same scaled tiles: scaling costs as much as a network.
    """
    scaled: list[tuple[Scaler, BagBatch]] = []
    found = []
    for net in _networks(trained):
        scaler = _on(net, bags).scaler
        known = next((tiles for other, tiles in scaled if other.is_like(scaler)), None)
        if known is None:
            known = net.scaled(bags)
            scaled.append((scaler, known))
        outputs, distribution = net.predicted(known)
        found.append((outputs.double().cpu().numpy(), distribution))
    return found


def _target_shares(trained: TrainedFold, bags: BagBatch) -> Floats:
    """Each tile's part of each target, shape (bag, tile, target)."""
    raw: Floats = np.mean([_shares(net, bags) for net in _networks(trained)], axis=0)
    if trained.outputs == trained.targets:
        return trained.targets.sums(raw * trained.scale)
    # Reconciliation is of whole photos: each tile keeps its part of what it made of them.
    whole = raw.sum(axis=1)
    y = trained.targets.sums(trained.components_of(whole))
    ratio = np.divide(y, whole, out=np.zeros_like(y), where=whole > 0)
    return np.asarray(raw * ratio[:, None, :])


@torch.inference_mode()
def _shares(network: BagNetwork, bags: BagBatch) -> Floats:
    shares = _on(network, bags)(bags).shares * network.labels.component_mean
    return np.asarray(shares.double().cpu().numpy())


def _draws(
    trained: TrainedFold,
    said: list[list[Distribution | None]],
    *,
    n_photos: int,
    spec: PredictionSpec,
) -> Floats | None:
    """Draws of the components from the networks' own distributions, where they have some.

    Every network gives its share of the draws, so what they disagree on widens them.

    Args:
        trained: The networks.
        said: Their distributions, by batch and network.
        n_photos: In all batches.
        spec: How many draws.
    """
    if trained.inner.ranks is None or trained.outputs != trained.targets:
        return None
    members = list(zip(*said, strict=True))

    def quantile(u: Floats) -> Floats:
        drawn = [
            _quantiles(found, part)
            for found, part in zip(members, np.array_split(u, len(members)), strict=True)
        ]
        # Without the scale: the inner ranks are of unscaled distributions, and so correct a bias.
        return np.concatenate(drawn)

    return copula_draws(quantile, trained.inner, n_photos=n_photos, spec=spec)


def _quantiles(batched: Sequence[Distribution | None], u: Floats) -> Floats:
    """Quantiles of one network, u of shape (draw, photo, component)."""
    parts, start = [], 0
    for distribution in batched:
        if distribution is None:
            msg = "ranks are kept for networks with distributions only"
            raise TypeError(msg)
        stop = start + len(distribution.mean)
        level = torch.from_numpy(u[:, start:stop]).to(distribution.mean.device)
        parts.append(distribution.quantile(level).double().cpu().numpy())
        start = stop
    return np.concatenate(parts, axis=1)


def _networks(trained: TrainedFold) -> list[BagNetwork]:
    return [member.network for member in trained.members]


def _on(network: BagNetwork, bags: BagBatch) -> BagNetwork:
    return network.to(bags.mask.device)
