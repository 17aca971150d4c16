"""Databases whose tables are made, and a scorer whose best settings are known."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.tuning.address import sqlite_url
from biomass_pipeline.mil.tuning.storage import open_storage


@dataclass
class HillScorer:
    """Likes a dropout of 0.3, and says so epoch by epoch without learning anything."""

    seen: list[TrainingConfig] = field(default_factory=list)

    def score(self, training: TrainingConfig, *, on_epoch: Callable[[int, float], None]) -> float:
        self.seen.append(training)
        height = 1 - (training.dropout - 0.3) ** 2
        for epoch in range(training.epochs):
            on_epoch(epoch, height - 1 / (epoch + 1))
        return height


@pytest.fixture(name="HillScorer")
def _hill_scorer() -> type[HillScorer]:
    return HillScorer


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("studies") / "empty.db"
    with open_storage(sqlite_url(file)):
        return file


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Callable[[str], str]:
    def copy(name: str) -> str:
        return sqlite_url(Path(shutil.copy(empty_database, tmp_path / f"{name}.db")))

    return copy


@pytest.fixture
def url(database: Callable[[str], str]) -> str:
    return database("studies")
