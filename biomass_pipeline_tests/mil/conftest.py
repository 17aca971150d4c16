"""Small feature sets whose answer is known: a tile's density is a function of its features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig, TrainingConfig
from biomass_pipeline.mil.checkpoints import TrainedFold, load_fold
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import train_fold
from biomass_pipeline.store.bags import FeatureSet

FEATURE_DIM = 8

ONE_TARGET = DataConfig(
    targets=(TargetConfig(name="cover", unit="fraction"),), identities={}, group_columns=("date",)
)
QUICK = TrainingConfig(
    hidden_dim=16, attention_dim=8, epochs=15, n_seeds=2, learning_rate=1e-2, dropout=0.0
)


@dataclass(frozen=True)
class Field:
    """Photos with labels that their tiles explain."""

    features: FeatureSet
    labels: pd.DataFrame


def make_features(n_bags: int, *, seed: int, name: str = "photo") -> FeatureSet:
    chance = np.random.default_rng(seed)
    lengths = chance.integers(1, 6, n_bags)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    raw = chance.uniform(0.5, 1.5, offsets[-1])
    total = np.add.reduceat(raw, offsets[:-1])
    session = np.repeat(chance.normal(size=(n_bags, FEATURE_DIM)), lengths, axis=0)
    return FeatureSet(
        features=(session + 0.5 * chance.normal(size=session.shape)).astype(np.float16),
        coords=chance.integers(0, 1000, (offsets[-1], 2)).astype(np.int32),
        area_weight=(raw / np.repeat(total, lengths)).astype(np.float32),
        image_ids=tuple(f"{name}{i:03d}" for i in range(n_bags)),
        image_sha256=tuple(f"{i:064x}" for i in range(n_bags)),
        offsets=offsets,
    )


def make_field(data: DataConfig, n_bags: int = 40, *, seed: int = 0, name: str = "photo") -> Field:
    """Photos whose components are area-weighted sums of a tile density linear in the features."""
    features = make_features(n_bags, seed=seed, name=name)
    tiles = features.features.astype(np.float64)
    count = len(data.components)
    density = np.maximum(3.0 + tiles[:, :count] + 0.5 * tiles[:, 1 : count + 1], 0.0)
    weighted = density * features.area_weight[:, None]
    components = np.add.reduceat(weighted, features.offsets[:-1], axis=0)
    y = components @ np.array(data.component_matrix()).T
    labels = pd.DataFrame(y, columns=list(data.target_names))
    labels.insert(0, "image_id", features.image_ids)
    labels.insert(1, "group", [f"g{i % 8}" for i in range(n_bags)])
    return Field(features, labels)


@pytest.fixture(name="make_field")
def _make_field() -> Callable[..., Field]:
    return make_field


@pytest.fixture
def one_target() -> DataConfig:
    return ONE_TARGET


@pytest.fixture
def quick() -> TrainingConfig:
    return QUICK


@pytest.fixture(scope="session")
def five_field() -> Field:
    return make_field(DataConfig())


@pytest.fixture(scope="session")
def five_recipe() -> Recipe:
    return Recipe(DataConfig(), QUICK, fingerprint="abc")


@pytest.fixture(scope="session")
def five_folder(
    tmp_path_factory: pytest.TempPathFactory, five_field: Field, five_recipe: Recipe
) -> Path:
    """Checkpoints that no test may change."""
    folder = tmp_path_factory.mktemp("checkpoints") / "fold_0"
    train_fold(five_field.features, five_field.labels, recipe=five_recipe, checkpoint_folder=folder)
    return folder


@pytest.fixture(scope="session")
def five_trained(five_folder: Path) -> TrainedFold:
    return load_fold(five_folder, "abc")
