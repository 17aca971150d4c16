"""How assets are kept between steps: tables as Parquet, caches and models as handles, or memory."""

import json
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets import CheckpointHandle
from biomass_pipeline.errors import (
    DamagedCacheError,
    MissingCacheError,
    MissingTableError,
    StaleCacheError,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import Cache, FeatureFolder
from biomass_pipeline.whole import write_whole


class ByFold(dg.IOManager):
    """Loads one object for an unpartitioned asset, and always a dict by fold for a partitioned one.

    Dagster's own managers hand over a bare object for one upstream partition and a dict for
    several, so an asset that reads all other folds would break on two folds.
    """

    @abstractmethod
    def write(self, name: str, fold: int | None, value: Any) -> None:
        """Keep one asset, or one fold of it."""

    @abstractmethod
    def read(self, name: str, fold: int | None) -> Any:
        """Give it back."""

    @abstractmethod
    def has(self, name: str, fold: int | None) -> bool:
        """Whether it is there to be read."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Keep what a step returned."""
        fold = int(context.asset_partition_key) if context.has_asset_partitions else None
        self.write(_name(context), fold, obj)

    def load_input(self, context: dg.InputContext) -> Any:
        """Give a step what it depends on."""
        if not context.has_asset_partitions:
            return self.read(_name(context), None)
        name, folds = _name(context), map(int, context.asset_partition_keys)
        return {fold: self.read(name, fold) for fold in folds}


@dataclass
class ParquetTables(ByFold):
    """Tables as Parquet files under the root folder."""

    layout: Layout

    def path(self, name: str, fold: int | None) -> Path:
        """Where a table is kept."""
        if fold is None:
            return self.layout.table(name)
        return self.layout.partitioned_table(name, fold)

    def write(self, name: str, fold: int | None, value: pd.DataFrame) -> None:
        """Write the file whole."""
        write_whole(self.path(name, fold), lambda path: value.to_parquet(path, index=False))

    def read(self, name: str, fold: int | None) -> pd.DataFrame:
        """Read the file."""
        path = self.path(name, fold)
        if not path.exists():
            raise MissingTableError(name, path)
        return pd.read_parquet(path)

    def has(self, name: str, fold: int | None) -> bool:
        """Whether the file is there."""
        return self.path(name, fold).exists()


@dataclass
class FeatureHandles(ByFold):
    """Handles on the caches that the store has written; a handle is a path and a fingerprint."""

    folder: FeatureFolder
    fingerprint: str

    def write(self, name: str, fold: int | None, value: Cache) -> None:
        """Nothing: the store wrote the file before it gave the handle."""

    def read(self, name: str, fold: int | None) -> Cache:  # noqa: ARG002  # only one asset
        """A handle whose stamp was checked."""
        return self.folder.open(_known(fold), self.fingerprint)

    def has(self, name: str, fold: int | None) -> bool:
        """Whether the fold's file is there and whole at first sight; a damaged one is made anew."""
        try:
            self.read(name, fold)
        except (MissingCacheError, DamagedCacheError, StaleCacheError):
            return False
        return True


@dataclass
class Checkpoints(ByFold):
    """Handles on trained models; a small file remembers which fingerprint is the current one."""

    layout: Layout

    def write(self, name: str, fold: int | None, value: CheckpointHandle) -> None:
        """Remember the fingerprint; training wrote the models."""
        text = json.dumps({"fingerprint": value.fingerprint})
        pointer = self.layout.checkpoint_pointer(name, _known(fold))
        write_whole(pointer, lambda path: path.write_text(text, encoding="utf-8"))

    def read(self, name: str, fold: int | None) -> CheckpointHandle:
        """The handle on the current models."""
        pointer = self.layout.checkpoint_pointer(name, _known(fold))
        if not pointer.exists():
            raise MissingTableError(name, pointer)
        fingerprint = json.loads(pointer.read_text(encoding="utf-8"))["fingerprint"]
        return CheckpointHandle(self.layout.checkpoint(fingerprint, _known(fold)), fingerprint)

    def has(self, name: str, fold: int | None) -> bool:
        """Whether the current models are there."""
        pointer = self.layout.checkpoint_pointer(name, _known(fold))
        if not pointer.exists():
            return False
        handle = self.read(name, fold)
        whole = mil.ridge_exists if name == "ridge_baseline" else mil.networks_exist
        return whole(handle.folder, handle.fingerprint)


@dataclass
class Documents(ByFold):
    """The metrics as JSON and the report as HTML."""

    layout: Layout

    def path(self, name: str) -> Path:
        """Where a document is kept."""
        return self.layout.report if name == "report" else self.layout.metrics

    def write(self, name: str, fold: int | None, value: Any) -> None:  # noqa: ARG002  # no folds
        """Write the document whole."""
        text = value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True)
        write_whole(self.path(name), lambda path: path.write_text(text, encoding="utf-8"))

    def read(self, name: str, fold: int | None) -> Any:  # noqa: ARG002  # not partitioned
        """Read the document."""
        path = self.path(name)
        if not path.exists():
            raise MissingTableError(name, path)
        text = path.read_text(encoding="utf-8")
        return text if name == "report" else json.loads(text)

    def has(self, name: str, fold: int | None) -> bool:  # noqa: ARG002  # not partitioned
        """Whether the file is there."""
        return self.path(name).exists()


@dataclass
class InMemory(ByFold):
    """Any object by asset and fold, for tests; unlike in Dagster's own, it outlives a run."""

    objects: dict[tuple[str, int | None], Any] = field(default_factory=dict)

    def put(self, name: str, value: Any, *, fold: int | None = None) -> None:
        """Seed what an asset depends on."""
        self.objects[name, fold] = value

    def write(self, name: str, fold: int | None, value: Any) -> None:
        """Keep the object."""
        self.put(name, value, fold=fold)

    def read(self, name: str, fold: int | None) -> Any:
        """Give the object back."""
        if (name, fold) not in self.objects:
            raise MissingTableError(name, Path("memory"))
        return self.objects[name, fold]

    def has(self, name: str, fold: int | None) -> bool:
        """Whether it was kept."""
        return (name, fold) in self.objects


def _name(context: dg.InputContext | dg.OutputContext) -> str:
    return context.asset_key.to_user_string()


def _known(fold: int | None) -> int:
    if fold is None:
        msg = "this asset has one partition a fold"
        raise TypeError(msg)
    return fold
