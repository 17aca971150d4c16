"""What fulfils the assets' seams for a real project: files, folders, the configured backbone."""

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import dagster as dg
import pandas as pd

from biomass_pipeline.config import Config, DataConfig, ImagingConfig
from biomass_pipeline.errors import ClusterPrecisionError
from biomass_pipeline.features import Engine, LaneBuilder, Progress, embed_here, usable_devices
from biomass_pipeline.inference.submission import read_order
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.layout import Layout
from biomass_pipeline.manifest import (
    ImageFile,
    ImageFolder,
    LabelSheet,
    Settling,
    image_manifest,
    listing_version,
    open_location,
    read_labels,
)
from biomass_pipeline.mil.progress import TrainingProgress
from biomass_pipeline.project import Project
from biomass_pipeline.seal import as_comment, write_sealed, write_table, write_text
from biomass_pipeline.store import ExportedFeatures, FeatureFolder, part_name, waiting_lock

# Each log line is a row in Dagster's event store: one every so often is enough.
_LOG_EVERY_S = 15.0


@dataclass(frozen=True)
class ConfigFile:
    """The configuration, read again at each use."""

    project: Project

    def load(self) -> Config:
        """Read it again."""
        return self.project.reread()

    def device(self) -> str:
        """The configured device; `auto` takes the first accelerator there is."""
        return usable_devices(self.project.config.compute.device)[0]


def feature_store(project: Project) -> FeatureFolder | ExportedFeatures:
    """Where folds' features are read and written: the HDF5 cache, or the configured export."""
    folder, export = FeatureFolder(project.layout), project.config.cache.read_from
    return folder if export is None else ExportedFeatures(project.base / export, folder)


@dataclass(frozen=True)
class PhotoFolder:
    """The configured photos, with hashes remembered beside the artefacts."""

    data: DataConfig
    base: Path
    sidecar: Path
    imaging: ImagingConfig
    # Runs that nobody started by hand leave alone what is still being written.
    settling: Settling | None = None
    isolation: Isolation | None = None

    def files(self) -> list[ImageFile]:
        """List them in path order; none is opened."""
        return self._folder().files()

    def manifest(self, sheet: LabelSheet) -> pd.DataFrame:
        """One row a photo."""
        return image_manifest(
            self._folder(),
            labels=sheet,
            sidecar=self.sidecar,
            max_pixels=self.data.max_pixels,
            stream_above_px=self.imaging.stream_above_px,
            isolation=self.isolation,
        )

    def version(self) -> str:
        """The hash of all paths and contents."""
        return listing_version(self._folder(), sidecar=self.sidecar)

    @property
    def open(self) -> Callable[[str], BinaryIO]:
        """What opens a photo by its path; a value that can be sent to other machines."""
        return self._folder().open

    def _folder(self) -> ImageFolder:
        return ImageFolder(self.data.images, base=self.base, settling=self.settling)


@dataclass(frozen=True)
class LabelFile:
    """The configured label file."""

    data: DataConfig
    base: Path

    def read(self) -> LabelSheet:
        """Parse it."""
        return read_labels(self.data.labels, base=self.base, spec=self.data)

    def version(self) -> str:
        """The hash of its bytes, with those of the submission's file where there is one.

        A file that is not there is an error when it is read.
        """
        versions = [_bytes_version(self.data.labels, self.base)]
        if self.data.submission is not None:
            versions.append(_bytes_version(self.data.submission, self.base))
        return "-".join(versions)

    def order(self) -> pd.DataFrame | None:
        """The rows that a submission must have; None where no file says."""
        if self.data.submission is None:
            return None
        return read_order(self.data.submission, base=self.base)


def _bytes_version(location: str, base: Path) -> str:
    try:
        with open_location(location, base=base) as file:
            return hashlib.sha256(file.read()).hexdigest()[:16]
    except (FileNotFoundError, IsADirectoryError):
        return "missing"


@dataclass(frozen=True)
class LedgerFile:
    """The folds given so far, in one Parquet file."""

    layout: Layout

    def held(self) -> AbstractContextManager[None]:
        """Wait for another run that deals folds."""
        path = self.layout.table("fold_ledger")
        return waiting_lock(path.with_name(".fold_ledger.lock"), what="dealing folds")

    def read(self) -> pd.DataFrame | None:
        """What was assigned so far; None at first."""
        path = self.layout.table("fold_ledger")
        return pd.read_parquet(path) if path.exists() else None

    def write(self, ledger: pd.DataFrame) -> None:
        """Remember it."""
        path = self.layout.table("fold_ledger")
        write_sealed(path, partial(write_table, ledger), name=self.layout.name(path))


@dataclass(frozen=True)
class ConfiguredBackbone:
    """The backbone that the configuration names, and what it runs on."""

    config: Config
    base: Path
    known: Mapping[str, str]

    def identity(self) -> Mapping[str, str]:
        """What decides its output, as it was when the graph was loaded."""
        return self.known

    @property
    def build(self) -> LaneBuilder:
        """What makes it, once for each lane; a value that can be sent to other machines."""
        return LaneBuilder(
            self.config.backbone,
            tile_px=self.config.tiling.tile_px,
            device=self.config.compute.device,
            batch_size=self.config.compute.batch_size,
            base=self.base,
            known=dict(self.known),
        )

    def engine(self) -> Engine:
        """This machine, or a Ray cluster.

        Raises:
            ClusterPrecisionError: The machines of a cluster would choose the precision themselves.
        """
        if self.config.compute.engine == "local":
            return embed_here
        if self.known.get("precision") == "auto":
            raise ClusterPrecisionError
        # Only who asks for a cluster pays for importing what drives it.
        from biomass_pipeline.features.cluster import embed_on_ray  # noqa: PLC0415

        return partial(embed_on_ray, spec=self.config.compute.ray)


@dataclass(frozen=True)
class CheckpointFolder:
    """Where trained models are kept on disk."""

    layout: Layout

    def folder(self, fingerprint: str, fold: int) -> Path:
        """The folder of one fold's models."""
        return self.layout.checkpoint(fingerprint, fold)


@dataclass(frozen=True)
class StudyFolder:
    """Searches in one SQLite file under the root folder, or in the configured database."""

    layout: Layout
    storage: str | None

    def storage_url(self) -> str:
        """The database of trials, as SQLAlchemy names it."""
        # Only who searches pays for importing what does it.
        from biomass_pipeline.mil.tuning import sqlite_url  # noqa: PLC0415

        return self.storage or sqlite_url(self.layout.studies)

    def recommend(self, text: str) -> Path:
        """Write the file that the recommendation is taken from."""
        file = self.layout.recommended
        write_text(file, as_comment(text, "# "), name=self.layout.name(file))
        return file


@dataclass(frozen=True)
class LogReporter:
    """Progress as log lines with rates and the time left, every few seconds."""

    every_s: float = _LOG_EVERY_S
    clock: Callable[[], float] = time.monotonic

    def extraction(self, fold: int | None) -> Callable[[Progress], None]:
        """A callback for one fold's extraction."""
        log = dg.get_dagster_logger()
        started_s = self.clock()
        last_s = [started_s]

        def report(progress: Progress) -> None:
            now_s = self.clock()
            done = progress.n_photos == progress.total_photos
            if done or now_s - last_s[0] >= self.every_s:
                last_s[0] = now_s
                log.info("%s: %s", part_name(fold), progress_line(progress, now_s - started_s))

        return report

    def training(self, fold: int) -> Callable[[TrainingProgress], None]:
        """A callback for the training of one fold's networks."""
        log, pace = dg.get_dagster_logger(), Pace(self.clock)
        last_s = self.clock()

        def report(progress: TrainingProgress) -> None:
            nonlocal last_s
            pace.step()
            if self.clock() - last_s >= self.every_s:
                last_s = self.clock()
                log.info("fold %d: %s", fold, training_line(progress, pace))

        return report


class Pace:
    """How long an epoch takes, counted over those seen here: a resumed training skips some."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin now."""
        self._clock, self._began_s, self._n_epochs = clock, clock(), 0

    def step(self) -> None:
        """An epoch has ended."""
        self._n_epochs += 1

    @property
    def epoch_s(self) -> float:
        """Seconds an epoch."""
        return (self._clock() - self._began_s) / max(self._n_epochs, 1)


def training_line(progress: TrainingProgress, pace: Pace) -> str:
    """Network, epoch, error and the time left, in one line."""
    return (
        f"network {progress.network} of {progress.n_networks}, "
        f"epoch {progress.epoch} of at most {progress.most_epochs}, "
        f"inner squared error {progress.inner_error:.4g}, "
        f"at most {progress.most_epochs_left * pace.epoch_s:.0f} s left"
    )


def progress_line(progress: Progress, elapsed_s: float) -> str:
    """Photos, rates and the time left, in one line."""
    seconds = max(elapsed_s, 1e-9)
    left_s = seconds * (progress.total_tiles - progress.n_tiles) / max(progress.n_tiles, 1)
    return (
        f"{progress.n_photos} of {progress.total_photos} photos, "
        f"{progress.n_photos / seconds:.1f} photos/s, {progress.n_tiles / seconds:.0f} tiles/s, "
        f"{left_s:.0f} s left"
    )
