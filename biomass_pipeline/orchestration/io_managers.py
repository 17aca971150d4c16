"""How assets are kept between steps: tables as Parquet, caches and models as handles, or memory."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets import CheckpointHandle
from biomass_pipeline.errors import (
    DamagedCacheError,
    ExportError,
    MissingCacheError,
    MissingTableError,
    StaleCacheError,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration.faults import patient
from biomass_pipeline.reporting import Report, write_beside
from biomass_pipeline.seal import (
    as_comment,
    sealed_json,
    without_seal,
    write_sealed,
    write_table,
    write_text,
)
from biomass_pipeline.store import Cache, ExportedFeatures, FeatureCache, FeatureFolder

# A fold by its number, a protocol by its key; None for an asset without partitions.
Part = int | str | None
# Beside each materialization: what its file is told by.
MARK = "mark"


class ByPart(dg.IOManager):
    """Loads one object for an unpartitioned asset, and always a dict by part for a partitioned one.

    Dagster's own managers hand over a bare object for one upstream partition and a dict for
    several, so an asset that reads all other folds would break on two folds.
    """

    @abstractmethod
    def write(self, name: str, part: Part, value: Any) -> None:
        """Keep one asset, or one part of it."""

    @abstractmethod
    def read(self, name: str, part: Part) -> Any:
        """Give it back."""

    @abstractmethod
    def has(self, name: str, part: Part) -> bool:
        """Whether it is there to be read."""

    def mark(self, name: str, part: Part) -> str:  # noqa: ARG002  # theirs to say
        """What tells what is kept from anything else in its place; empty: nothing does."""
        return ""

    def place(self, name: str, part: Part, value: Any) -> Path | None:  # noqa: ARG002  # theirs to say
        """The file or folder that people find it in; None: there is none."""
        return None

    @patient
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Keep what a step returned."""
        part = part_of(context.asset_partition_key) if context.has_asset_partitions else None
        self.write(_name(context), part, obj)
        if mark := self.mark(_name(context), part):
            context.add_output_metadata({MARK: mark})
        place = self.place(_name(context), part, obj)
        if place is not None:
            context.add_output_metadata({"file": dg.MetadataValue.path(str(place.resolve()))})

    @patient
    def load_input(self, context: dg.InputContext) -> Any:
        """Give a step what it depends on."""
        if not context.has_asset_partitions:
            return self.read(_name(context), None)
        name, parts = _name(context), map(part_of, context.asset_partition_keys)
        return {part: self.read(name, part) for part in parts}


@dataclass
class ParquetTables(ByPart):
    """Tables as Parquet files under the root folder."""

    layout: Layout

    def path(self, name: str, part: Part) -> Path:
        """Where a table is kept."""
        if part is None:
            return self.layout.table(name)
        return self.layout.partitioned_table(name, part)

    def write(self, name: str, part: Part, value: pd.DataFrame) -> None:
        """Write the file whole."""
        path = self.path(name, part)
        write_sealed(path, partial(write_table, value), name=self.layout.name(path))

    def place(self, name: str, part: Part, value: Any) -> Path:  # noqa: ARG002  # the name tells
        """The file."""
        return self.path(name, part)

    def read(self, name: str, part: Part) -> pd.DataFrame:
        """Read the file."""
        path = self.path(name, part)
        if not path.exists():
            raise MissingTableError(name, path)
        return pd.read_parquet(path)

    def has(self, name: str, part: Part) -> bool:
        """Whether the file is there."""
        return self.path(name, part).exists()

    def mark(self, name: str, part: Part) -> str:
        """The hash of the file."""
        return _hash_of(self.path(name, part))


@dataclass
class FeatureHandles(ByPart):
    """Handles on the caches that the store has written; a handle is a path and a fingerprint."""

    folder: FeatureFolder | ExportedFeatures
    fingerprint: str

    def write(self, name: str, part: Part, value: Cache) -> None:
        """Nothing: the store wrote the file before it gave the handle."""

    def place(self, name: str, part: Part, value: Any) -> Path | None:  # noqa: ARG002  # the value tells
        """The HDF5 file, or the export's record; None for features that are in no file."""
        return getattr(value, "path", None)

    def read(self, name: str, part: Part) -> Cache:  # noqa: ARG002  # the part tells the file
        """A handle whose stamp was checked; without a part, on the photos without labels."""
        fold = None if part is None else _fold(part)
        return self.folder.open(fold, self.fingerprint)

    def has(self, name: str, part: Part) -> bool:
        """Whether the fold's file is there and whole at first sight; a damaged one is made anew."""
        try:
            self.read(name, part)
        except (MissingCacheError, DamagedCacheError, StaleCacheError, ExportError):
            return False
        return True

    def mark(self, name: str, part: Part) -> str:
        """The hash of which photos the file holds, with how many tiles each."""
        handle = self.read(name, part)
        return handle.mark() if isinstance(handle, FeatureCache) else ""


@dataclass
class Checkpoints(ByPart):
    """Handles on trained models; a small file remembers which fingerprint is the current one."""

    layout: Layout

    def write(self, name: str, part: Part, value: CheckpointHandle) -> None:
        """Remember the fingerprint; training wrote the models."""
        text = sealed_json({"fingerprint": value.fingerprint, "state": dict(value.state)})
        pointer = self.layout.checkpoint_pointer(name, _fold(part))
        write_text(pointer, text, name=self.layout.name(pointer))

    def place(self, name: str, part: Part, value: Any) -> Path:  # noqa: ARG002  # the value tells
        """The folder of the models."""
        return Path(value.folder)

    def read(self, name: str, part: Part) -> CheckpointHandle:
        """The handle on the current models."""
        pointer = self.layout.checkpoint_pointer(name, _fold(part))
        if not pointer.exists():
            raise MissingTableError(name, pointer)
        kept = json.loads(pointer.read_text(encoding="utf-8"))
        folder = self.layout.checkpoint(kept["fingerprint"], _fold(part))
        return CheckpointHandle(folder, kept["fingerprint"], kept.get("state", {}))

    def has(self, name: str, part: Part) -> bool:
        """Whether the current models are there."""
        pointer = self.layout.checkpoint_pointer(name, _fold(part))
        if not pointer.exists():
            return False
        handle = self.read(name, part)
        whole = mil.ridge_exists if name == "ridge_baseline" else mil.networks_exist
        return whole(handle.folder, handle.fingerprint)

    def mark(self, name: str, part: Part) -> str:
        """The hash of what is remembered of the models, their fingerprint foremost."""
        return _hash_of(self.layout.checkpoint_pointer(name, _fold(part)))


@dataclass
class Documents(ByPart):
    """The metrics, protocols and tuning as JSON, the report as HTML, the submission as CSV."""

    layout: Layout

    def write(self, name: str, part: Part, value: Any) -> None:  # noqa: ARG002  # no folds
        """Write the document whole, and before it what lies beside it."""
        path = self.layout.document(name)
        if isinstance(value, Report):
            write_beside(path.parent, value)
        write_text(path, _text_of(value), name=self.layout.name(path))

    def place(self, name: str, part: Part, value: Any) -> Path:  # noqa: ARG002  # no folds
        """The document."""
        return self.layout.document(name)

    def read(self, name: str, part: Part) -> Any:  # noqa: ARG002  # not partitioned
        """Read the document."""
        path = self.layout.document(name)
        if not path.exists():
            raise MissingTableError(name, path)
        if path.suffix == ".csv":
            # Python's own parser gives back exactly the number that was written.
            texts = pd.read_csv(path, dtype="str", keep_default_na=False)
            return texts.assign(target=texts["target"].map(float).astype("float64"))
        text = path.read_text(encoding="utf-8")
        return without_seal(json.loads(text)) if path.suffix == ".json" else text

    def has(self, name: str, part: Part) -> bool:  # noqa: ARG002  # not partitioned
        """Whether the file is there."""
        return self.layout.document(name).exists()

    def mark(self, name: str, part: Part) -> str:  # noqa: ARG002  # not partitioned
        """The hash of the document."""
        return _hash_of(self.layout.document(name))


@dataclass
class InMemory(ByPart):
    """Any object by asset and part, for tests; unlike in Dagster's own, it outlives a run."""

    objects: dict[tuple[str, Part], Any] = field(default_factory=dict)

    def put(self, name: str, value: Any, *, part: Part = None) -> None:
        """Seed what an asset depends on."""
        self.objects[name, part] = value

    def write(self, name: str, part: Part, value: Any) -> None:
        """Keep the object."""
        self.put(name, value, part=part)

    def read(self, name: str, part: Part) -> Any:
        """Give the object back."""
        if (name, part) not in self.objects:
            raise MissingTableError(name, Path("memory"))
        return self.objects[name, part]

    def has(self, name: str, part: Part) -> bool:
        """Whether it was kept."""
        return (name, part) in self.objects


def loss_of(
    definition: dg.AssetsDefinition,
    name: str,
    key: str | None,
    *,
    resources: Mapping[str, object],
    instance: dg.DagsterInstance,
) -> str:
    """Why what was last materialized cannot be read; empty if it can. Only our managers are asked.

    A run that was killed between writing a file and saying so leaves a file that is not the one
    Dagster knows. It must not pass for it when what it was made of is as before again.

    Args:
        definition: The asset's.
        name: The asset.
        key: Its partition.
        resources: The managers, by their keys.
        instance: What knows the last materialization.
    """
    manager = resources.get(definition.get_io_manager_key_for_asset_key(dg.AssetKey(name)))
    if not isinstance(manager, ByPart):
        return ""
    part = None if key is None else part_of(key)
    if not manager.has(name, part):
        return "its file is gone or damaged"
    known = _mark_of(instance, name, key)
    if known and known != manager.mark(name, part):
        return "its file is not the one that was made"
    return ""


def _mark_of(instance: dg.DagsterInstance, name: str, key: str | None) -> str:
    """The mark of the newest materialization; empty where an earlier version gave none."""
    newest = dg.AssetRecordsFilter(
        dg.AssetKey(name), asset_partitions=None if key is None else [key]
    )
    for record in instance.fetch_materializations(newest, limit=1).records:
        if (made := record.asset_materialization) and MARK in made.metadata:
            return str(made.metadata[MARK].value)
    return ""


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _text_of(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return value.to_csv(index=False, lineterminator="\n")
    if isinstance(value, Report):
        return as_comment(value.page, "<!-- ", " -->")
    return value if isinstance(value, str) else sealed_json(value)


def _name(context: dg.InputContext | dg.OutputContext) -> str:
    return context.asset_key.to_user_string()


def part_of(key: str) -> int | str:
    """What a partition key names: a fold by its number, anything else by itself."""
    return int(key) if key.isdigit() else key


def _fold(part: Part) -> int:
    if not isinstance(part, int):
        msg = "this asset has one partition a fold"
        raise TypeError(msg)
    return part
