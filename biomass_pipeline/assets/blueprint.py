"""What every stage is built from: the configuration, the partitions, and its seams.

The Protocols here are owned by the assets; the composition root passes what fulfils them.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol

import dagster as dg
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from biomass_pipeline.assets.columns import column_schema
from biomass_pipeline.config import Config, DataConfig, fingerprint
from biomass_pipeline.features import Backbone, Engine, Progress
from biomass_pipeline.manifest import LabelSheet
from biomass_pipeline.mil.progress import TrainingProgress
from biomass_pipeline.plain import all_without_secrets, markdown_cell
from biomass_pipeline.store import Cache, Embedder, FoldContents, Stamp, Written

# On the page of an asset: the parts of the configuration that its code version names.
_SETTINGS = "settings"
# A page at 1600 px has room for as many; more are cut off.
_MOST_COLUMNS = 5
# Held one at a time across processes, whatever runs them.
GPU_POOL = "gpu"
# Under which name a materialization tells what its own work took.
SECONDS = "seconds"


class Settings(Protocol):
    """The configuration as it is now, so that an edited training section needs no reload."""

    def load(self) -> Config:
        """Read it again."""

    def device(self) -> str:
        """The device that networks run on, such as cpu or cuda."""


class LabelSource(Protocol):
    """The label file."""

    def read(self) -> LabelSheet:
        """Parse it."""

    def version(self) -> str:
        """The hash of its bytes, and of those of the file that a submission follows."""

    def order(self) -> pd.DataFrame | None:
        """The rows that a submission must have, as text; None: all photos, by id."""


class PhotoSource(Protocol):
    """The photos, with what is remembered of those that did not change."""

    def manifest(self, sheet: LabelSheet) -> pd.DataFrame:
        """One row a photo."""

    def version(self) -> str:
        """The hash of all paths and contents."""

    def open(self, path: str) -> BinaryIO:
        """One photo as a seekable stream."""


class FoldLedger(Protocol):
    """The memory of which fold each group was given."""

    def held(self) -> AbstractContextManager[None]:
        """Keep others out from reading it to writing it, or their groups would be forgotten."""

    def read(self) -> pd.DataFrame | None:
        """What was assigned so far."""

    def write(self, ledger: pd.DataFrame) -> None:
        """Remember it."""


class BackboneSource(Protocol):
    """The configured backbone, built only when something has to be embedded."""

    def identity(self) -> Mapping[str, str]:
        """What decides its output."""

    def build(self) -> Sequence[Backbone]:
        """Make it, once for each lane that embeds side by side."""

    def engine(self) -> Engine:
        """What embeds: this machine or a cluster."""


class FeatureStore(Protocol):
    """Where the folds' caches are kept."""

    def open(self, fold: int | None, fingerprint: str) -> Cache:
        """A handle on one fold; None: the photos without labels."""

    def write(
        self,
        fold: int | None,
        contents: FoldContents,
        *,
        stamp: Stamp,
        embedder: Embedder,
        max_refused: int,
    ) -> Written:
        """Bring one fold to these contents, but for at most some photos that are refused."""


class CheckpointStore(Protocol):
    """Where trained models are kept."""

    def folder(self, fingerprint: str, fold: int) -> Path:
        """The folder of one fold's models under one training fingerprint."""


class Studies(Protocol):
    """Where searches of settings are kept, and where they are recommended."""

    def storage_url(self) -> str:
        """The database of trials, as SQLAlchemy names it."""

    def recommend(self, text: str) -> Path:
        """Write a `training` section for people to take over, and say where."""


class Archive(Protocol):
    """Documents that may be there: what is optional in a report."""

    def has(self, name: str, part: None) -> bool:
        """Whether a document was made."""

    def read(self, name: str, part: None) -> Any:  # noqa: ANN401  # whatever JSON can hold
        """Give it back."""


class Reporter(Protocol):
    """Where progress is shown: a terminal's bar, or Dagster's log."""

    def extraction(self, fold: int | None) -> Callable[[Progress], None]:
        """A callback for one fold's extraction; None: of the photos without labels."""

    def training(self, fold: int) -> Callable[[TrainingProgress], None]:
        """A callback for the training of one fold's networks."""


# What goes around the body of an asset, such as what tries it again.
Around = Callable[[Callable[..., Any]], Callable[..., Any]]


def bare(body: Callable[..., Any]) -> Callable[..., Any]:
    """Nothing goes around it."""
    return body


@dataclass(frozen=True)
class Blueprint:
    """What decides the graph when the code location is loaded."""

    config: Config
    extraction: str
    folds: dg.StaticPartitionsDefinition
    protocols: dg.StaticPartitionsDefinition
    other_folds: dg.StaticPartitionMapping
    notes: tuple[str, ...] = ()
    automation: dg.AutomationCondition[dg.AssetKey] | None = None
    around: Around = bare

    @property
    def judging(self) -> dict[str, Any]:
        """What decides predictions and their scores: the evaluation section but its protocols."""
        return self.config.evaluation.model_dump(mode="json", exclude={"protocols"})

    def with_training(self, current: Config) -> Config:
        """The graph's configuration with the training section as it is now.

        Nothing else may be read anew: tables and code versions follow what was loaded.
        """
        return self.config.model_copy(update={"training": current.training})

    def asset(
        self,
        group: str,
        *,
        code: str,
        decides: Mapping[str, object] = MappingProxyType({}),
        partitioned: bool | dg.StaticPartitionsDefinition = False,
        automated: bool = True,
        **options: Any,  # noqa: ANN401  # those of dagster.asset
    ) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """Dagster's `asset`, with what every stage shares.

        Args:
            group: Its box in the graph.
            code: The version of the code that makes it.
            decides: The parts of the configuration that decide its content, by what a person calls
                them. The names only show on its page.
            partitioned: Whether it has one partition a fold, or else its partitions.
            automated: Whether it is kept up to date by itself; else it runs when it is asked for.
            options: Further arguments of `dagster.asset`.
        """
        parts = self.folds if partitioned is True else partitioned or None
        plain = {name: _plain(part) for name, part in decides.items()}
        decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
            group_name=group,
            code_version=f"{code}-{fingerprint(list(plain.values()))}",
            partitions_def=parts,
            automation_condition=self.automation if automated else None,
            metadata={_SETTINGS: _listing(plain)} if plain else None,
            **options,
        )
        return lambda body: decorate(self.around(_timed(body)))


def _timed(body: Callable[..., Any]) -> Callable[..., Any]:
    """The same, and what it took is told with what it made."""

    @wraps(body)
    def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # whatever the asset takes and gives
        started_s = time.perf_counter()
        made = body(*args, **kwargs)
        took = {SECONDS: round(time.perf_counter() - started_s, 3)}
        return made._replace(metadata={**(made.metadata or {}), **took})

    return run


def content_version(table: pd.DataFrame) -> dg.DataVersion:
    """The hash of a table's columns and cells, the same in every process."""
    digest = hashlib.sha256()
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    with pa.ipc.new_stream(_Digester(digest), arrow.schema) as stream:
        stream.write_table(arrow.combine_chunks())
    return dg.DataVersion(digest.hexdigest()[:16])


def table_result(
    table: pd.DataFrame,
    data: DataConfig | None = None,
    /,
    **metadata: dg.MetadataValue | float | str,
) -> dg.MaterializeResult[pd.DataFrame]:
    """A table with its content as data version, its size, its columns and a preview.

    Args:
        table: What the asset is.
        data: Names the columns of targets and groups, if it has such.
        metadata: What else its page says.
    """
    return dg.MaterializeResult(
        value=table,
        data_version=content_version(table),
        metadata={
            "dagster/row_count": len(table),
            "dagster/column_schema": column_schema(table, data),
            **metadata,
            "preview": dg.MetadataValue.md(preview_of(table)),
        },
    )


def preview_of(table: pd.DataFrame) -> str:
    """The first rows; of a wide table they stand side by side, or a page would cut them off."""
    if len(table.columns) <= _MOST_COLUMNS or not len(table):
        return markdown_table(table.head(5))
    texts = table.head(2).map(_cell)
    rows = enumerate(texts.itertuples(index=False), start=1)
    columns = {"column": list(table.columns), **{f"row {n}": list(row) for n, row in rows}}
    return markdown_table(pd.DataFrame(columns))


def markdown_table(table: pd.DataFrame) -> str:
    """A table as Markdown, numbers with four significant digits."""
    rows = [list(table.columns), ["---"] * len(table.columns)]
    rows[0] = list(map(markdown_cell, rows[0]))
    rows += [
        [markdown_cell(_cell(value)) for value in row] for row in table.itertuples(index=False)
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listing(parts: Mapping[str, Any]) -> dg.MarkdownMetadataValue:
    """Settings a line each, those of a section by `section.field`."""
    lines = {
        name if field is None else f"{name}.{field}": json.dumps(
            all_without_secrets(value), ensure_ascii=False
        )
        for name, part in parts.items()
        for field, value in (part.items() if isinstance(part, dict) else [(None, part)])
    }
    return dg.MetadataValue.md(
        markdown_table(pd.DataFrame({"setting": list(lines), "value": list(lines.values())}))
    )


class _Digester:
    """A write-only file that hashes what passes."""

    closed = False

    def __init__(self, digest: "hashlib._Hash") -> None:
        self._digest = digest

    def write(self, data: pa.Buffer) -> int:
        self._digest.update(data)
        return len(memoryview(data))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


def _plain(part: object) -> Any:  # noqa: ANN401  # whatever JSON can hold
    return part.model_dump(mode="json") if isinstance(part, BaseModel) else part
