"""The ridge baseline: pooled features, closed form. No torch."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.errors import (
    EmptyBagError,
    FeatureWidthError,
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.calibration import InnerTable, prediction_frame
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.targets import Recipe, TargetSpec, align_labels
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.whole import write_whole

Floats = NDArray[np.float64]

RIDGE_NAME = "ridge.npz"

# A pooled feature that hardly varies in training would blow any small change up at prediction.
_SD_FLOOR_FRACTION = 1e-3
_SD_FLOOR = 1e-6


@dataclass(frozen=True)
class RidgeModel:
    """A linear model of pooled features.

    Attributes:
        mean: Shape (pooled,), of training photos.
        sd: Shape (pooled,); infinite where a feature does not vary.
        clip: Scaled features are clipped to +-clip.
        weights: Shape (pooled, component).
        intercept: Shape (component,).
        alphas: Shape (component,), chosen by inner group cross-validation.
        targets: What is predicted.
        inner: Inner out-of-fold predictions of every training photo.
        fingerprint: What decided the model.
    """

    mean: Floats
    sd: Floats
    clip: float
    weights: Floats
    intercept: Floats
    alphas: Floats
    targets: TargetSpec
    fingerprint: str
    inner: InnerTable = field(repr=False)


def pool_bags(features: FeatureSet) -> Floats:
    """Area-weighted mean and maximum of each photo's tiles, joined, shape (bag, 2 feature).

    Raises:
        EmptyBagError: A photo has no tile.
    """
    starts, lengths = features.offsets[:-1], np.diff(features.offsets)
    if len(lengths) == 0 or lengths.min() == 0:
        raise EmptyBagError([features.image_ids[i] for i in np.flatnonzero(lengths == 0)])
    pooled = np.empty((len(lengths), 2 * features.feature_dim))
    for number in range(len(starts)):
        tiles = features.bag(number).astype(np.float64)
        weight = features.area_weight[features.rows(number)].astype(np.float64)
        weight = weight if weight.sum() > 0 else np.ones(len(weight))
        pooled[number, : features.feature_dim] = weight @ tiles / weight.sum()
        pooled[number, features.feature_dim :] = tiles.max(axis=0)
    return pooled


def fit_ridge(train: FeatureSet, labels: pd.DataFrame, *, recipe: Recipe) -> RidgeModel:
    """Fit a ridge regression of each component, its penalty chosen by inner group CV.

    Args:
        train: Every photo to learn from; none of the held-out fold.
        labels: Columns `image_id`, `group` and the targets; rows of other photos are ignored.
        recipe: What decides the result.

    Raises:
        UnlabelledBagError: A photo has no label.
        EmptyBagError: A photo has no tile.
        TooFewGroupsError: There is one training group only.
    """
    spec = recipe.training
    targets = TargetSpec.from_config(recipe.data)
    labelled = align_labels(labels, train.image_ids, names=targets.names)
    pooled = pool_bags(train)
    y = labelled.y[:, list(targets.component_columns)]
    parts = inner_parts(
        labelled.groups, n_parts=max(2, round(1 / spec.inner_fraction)), seed=spec.seed
    )
    alphas = np.array(spec.ridge_alphas)
    inner = _inner_predictions(pooled, y, parts=parts, alphas=alphas, clip=spec.feature_clip)
    chosen = np.argmin(((inner - y) ** 2).mean(axis=1), axis=0)
    columns = np.arange(y.shape[1])
    mean, sd = _statistics(pooled)
    z = _scaled(pooled, mean, sd, clip=spec.feature_clip)
    dual = _dual_weights(z - z.mean(axis=0), y - y.mean(axis=0), alphas)
    weights = (z - z.mean(axis=0)).T @ dual[chosen, :, columns].T
    return RidgeModel(
        mean=mean,
        sd=sd,
        clip=spec.feature_clip,
        weights=weights,
        intercept=y.mean(axis=0) - z.mean(axis=0) @ weights,
        alphas=alphas[chosen],
        targets=targets,
        fingerprint=recipe.fingerprint,
        inner=InnerTable(
            groups=labelled.groups,
            y=labelled.y,
            components=np.maximum(inner[chosen, :, columns].T, 0.0),
        ),
    )


def predict_ridge(model: RidgeModel, features: FeatureSet, *, level: float) -> pd.DataFrame:
    """Predict photos, with group-conformal intervals; components are clipped at 0, sums add up.

    Args:
        model: A fitted baseline.
        features: The photos.
        level: Wanted coverage of new groups by the intervals.

    Returns:
        Columns `image_id, target, y_pred, y_lower, y_upper`, a row a photo and target.

    Raises:
        FeatureWidthError: The features are of another extraction.
        EmptyBagError: A photo has no tile.
    """
    expected = len(model.mean) // 2
    if features.feature_dim != expected:
        raise FeatureWidthError(found=features.feature_dim, expected=expected)
    z = _scaled(pool_bags(features), model.mean, model.sd, clip=model.clip)
    components = np.maximum(z @ model.weights + model.intercept, 0.0)
    one = np.ones(len(model.targets.components))
    return prediction_frame(
        features.image_ids,
        components,
        targets=model.targets,
        halfwidths=model.inner.halfwidths(model.targets, scale=one, level=level),
    )


def save_ridge(model: RidgeModel, folder: Path) -> Path:
    """Write `ridge.npz` (arrays and JSON, no pickle), whole or not at all.

    Returns:
        The file.
    """
    path = folder / RIDGE_NAME
    facts = {"fingerprint": model.fingerprint, "targets": model.targets.to_plain()}

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez(
                file,
                facts=np.array(json.dumps(facts)),
                mean=model.mean,
                sd=model.sd,
                clip=np.array(model.clip),
                weights=model.weights,
                intercept=model.intercept,
                alphas=model.alphas,
                inner_groups=model.inner.groups,
                inner_y=model.inner.y,
                inner_components=model.inner.components,
            )

    write_whole(path, write)
    return path


def load_ridge(folder: Path, fingerprint: str) -> RidgeModel:
    """Read a fold's ridge baseline.

    Raises:
        MissingCheckpointError: It is not there.
        UnreadableCheckpointError: The file is damaged.
        StaleCheckpointError: It was fitted from other photos, labels, features or settings.
    """
    path = folder / RIDGE_NAME
    if not path.is_file():
        raise MissingCheckpointError(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays: dict[str, NDArray[Any]] = {name: content[name] for name in content.files}
        facts = json.loads(str(arrays.pop("facts")))
        inner = InnerTable(
            groups=arrays.pop("inner_groups"),
            y=arrays.pop("inner_y"),
            components=arrays.pop("inner_components"),
        )
        model = RidgeModel(
            clip=float(arrays.pop("clip")),
            targets=TargetSpec.from_plain(facts["targets"]),
            fingerprint=str(facts["fingerprint"]),
            inner=inner,
            **arrays,
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        reason = f"{type(error).__name__} while reading"
        raise UnreadableCheckpointError(path, reason=reason) from error
    if model.fingerprint != fingerprint:
        raise StaleCheckpointError(path, found=model.fingerprint, expected=fingerprint)
    return model


def ridge_exists(folder: Path, fingerprint: str) -> bool:
    """Whether a readable baseline of this fingerprint is in the folder."""
    try:
        load_ridge(folder, fingerprint)
    except (MissingCheckpointError, UnreadableCheckpointError, StaleCheckpointError):
        return False
    return True


def _inner_predictions(
    pooled: Floats,
    y: Floats,
    *,
    parts: tuple[NDArray[np.int64], ...],
    alphas: Floats,
    clip: float,
) -> Floats:
    """Predictions of every photo by models without its part, shape (alpha, bag, component)."""
    predicted = np.empty((len(alphas), *y.shape))
    for part in parts:
        learn = np.setdiff1d(np.arange(len(y)), part)
        mean, sd = _statistics(pooled[learn])
        z = _scaled(pooled, mean, sd, clip=clip)
        z -= z[learn].mean(axis=0)
        level = y[learn].mean(axis=0)
        kernel = z[part] @ z[learn].T
        predicted[:, part] = kernel @ _dual_weights(z[learn], y[learn] - level, alphas) + level
    return predicted


def _dual_weights(z: Floats, y: Floats, alphas: Floats) -> Floats:
    """`(Z Z^T + alpha I)^-1 y` for every alpha from one decomposition.

    Photos are fewer than features, so the small system is the one over photos.

    Args:
        z: Shape (bag, pooled), centred.
        y: Shape (bag, component), centred.
        alphas: Shape (alpha,).

    Returns:
        Shape (alpha, bag, component); weights are `Z^T` times these.
    """
    values, vectors = np.linalg.eigh(z @ z.T)
    shrunk = 1.0 / (np.maximum(values, 0.0)[None, :] + alphas[:, None])
    rotated: Floats = vectors @ (shrunk[:, :, None] * (vectors.T @ y)[None])
    return rotated


def _statistics(pooled: Floats) -> tuple[Floats, Floats]:
    mean, sd = pooled.mean(axis=0), pooled.std(axis=0)
    floor = np.maximum(np.abs(mean) * _SD_FLOOR_FRACTION, _SD_FLOOR)
    return mean, np.where(sd > floor, sd, np.inf)


def _scaled(pooled: Floats, mean: Floats, sd: Floats, *, clip: float) -> Floats:
    return np.clip((pooled - mean) / sd, -clip, clip)
