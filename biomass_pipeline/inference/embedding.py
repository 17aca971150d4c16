"""Photos of any folder as features, by the project's own engine and cache, without a graph."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from biomass_pipeline.config import Config
from biomass_pipeline.errors import MissingInputError, NoPhotosError, UnreadableImageError
from biomass_pipeline.features import (
    Backbone,
    LaneBuilder,
    PhotoEmbedder,
    Progress,
    Reading,
    cells_of,
    embed_here,
    photos_of,
    views_of,
)
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.layout import Layout
from biomass_pipeline.manifest import ImageFolder, Picture, image_manifest, read_validity
from biomass_pipeline.store import FeatureFolder, FeatureSet, FoldContents, Quarantined, Stamp
from biomass_pipeline.tiling import patch_index

_NO_PHOTOS = "none of its files ends in .jpg, .jpeg, .png, .tif, .tiff or .webp"
_THREADS = 2


class Extraction(Protocol):
    """How photos become features: a bundle, or a project."""

    @property
    def config(self) -> Config:
        """How photos are read, tiled and embedded."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides the backbone's output on this machine."""

    @property
    def base(self) -> Path:
        """What a relative `backbone.checkpoint` is relative to."""

    @property
    def extraction(self) -> str:
        """The fingerprint of the features."""


@dataclass(frozen=True)
class Workplace:
    """Where photos are embedded and their features kept; never changes a result.

    Attributes:
        cache: Folder of features, by extraction and content; may be deleted at any time.
        device: As configured: auto, cpu, cuda:1, mps.
        base: What a relative local location is relative to.
        on_progress: Called after each batch.
        isolation: Decode in processes of their own; None: as the extraction is configured.
    """

    cache: Path
    device: str = "auto"
    base: Path = Path()
    on_progress: Callable[[Progress], None] = lambda _: None
    isolation: Isolation | None = None

    def isolation_of(self, config: Config) -> Isolation | None:
        """How decoding is kept apart here; None where photos are decoded in threads."""
        return self.isolation or Isolation.of(config.compute)


@dataclass(frozen=True)
class Embedded:
    """The photos of a location, those that can be predicted and those that cannot.

    Attributes:
        features: Of the readable photos, in path order.
        paths: Their paths in the location, by id.
        unreadable: Path and reason of the others, in path order.
        n_embedded: Photos of which at least a tile was embedded now.
        n_reused: Photos whose rows were all in the cache.
        images: The manifest's rows of the readable photos, in path order.
    """

    features: FeatureSet
    paths: Mapping[str, str]
    unreadable: tuple[tuple[str, str], ...]
    n_embedded: int
    n_reused: int
    images: pd.DataFrame


def embed_location(location: str, extraction: Extraction, *, place: Workplace) -> Embedded:
    """List, check, tile and embed photos; what the cache has is neither decoded nor embedded.

    Args:
        location: Folder, photo, glob or fsspec URL.
        extraction: How photos become features.
        place: Where that is done.

    Raises:
        NoPhotosError: There is no photo.
        UnreadableFolderError: Part of the folder cannot be listed.
        UnreachableLocationError: It is a URL of an unknown kind.
        UnwritableCacheError: The cache's disk or folder refuses.
        BusyCacheError: Another process writes the same cache.
    """
    config = extraction.config
    folder = ImageFolder(location, base=place.base)
    sidecar, isolation = _sidecar(location, place), place.isolation_of(config)
    manifest = _manifest(folder, config, sidecar=sidecar, isolation=isolation)
    bad = manifest["status"] != "ok"
    contents = contents_of(manifest[~bad], folder, config)
    written = FeatureFolder(Layout(place.cache)).write(
        None,
        contents,
        stamp=stamp_of(extraction),
        embedder=embedder_of(contents, folder, extraction, place=place),
        max_refused=len(contents.image_ids),
    )
    refused = [*_reasons(manifest[bad]), *_refusals(written.quarantined)]
    features = written.cache.load()
    return Embedded(
        features=features,
        paths=dict(zip(contents.image_ids, contents.paths, strict=True)),
        unreadable=tuple(sorted(refused)),
        n_embedded=written.n_embedded,
        n_reused=written.n_reused,
        images=manifest[manifest["image_id"].isin(features.image_ids)].reset_index(drop=True),
    )


def contents_of(images: pd.DataFrame, folder: ImageFolder, config: Config) -> FoldContents:
    """What a cache of some photos holds; those that are partly nodata are read for it.

    Args:
        images: Their rows of the manifest, all `ok`.
        folder: Opens them.
        config: How they are tiled.
    """
    cells = cells_of(config.backbone, tile_px=config.tiling.tile_px)
    limits = _limits(config)

    @contextmanager
    def validity(path: str, sha256: str) -> Iterator[Picture]:
        try:
            with folder.open(path) as stream:
                yield read_validity(stream, path=path, sha256=sha256, limits=limits)
        except UnreadableImageError as error:
            raise UnreadableImageError(reason=error.reason, path=path) from error

    table = patch_index(images, config.tiling, validity=validity, cells=cells)
    return FoldContents.from_patch_index(
        table, tiling=config.tiling, cells=cells, views=views_of(config.backbone)
    )


def embedder_of(
    contents: FoldContents,
    folder: ImageFolder,
    extraction: Extraction,
    *,
    place: Workplace,
    build: Callable[[], Sequence[Backbone]] | None = None,
) -> PhotoEmbedder:
    """What makes the rows that a cache lacks; the backbone is built when the first is asked for.

    Args:
        contents: What the cache holds.
        folder: Opens its photos.
        extraction: How they become features.
        place: Where that is done.
        build: Makes the backbone where several caches share one; else each builds its own.
    """
    config = extraction.config
    return PhotoEmbedder(
        photos_of(contents),
        reading=Reading(
            open=folder.open,
            tile_px=config.tiling.tile_px,
            limits=_limits(config),
            threads=_THREADS,
            isolation=place.isolation_of(config),
        ),
        build=build or lanes_of(extraction, place=place),
        engine=embed_here,
        on_progress=place.on_progress,
    )


def lanes_of(extraction: Extraction, *, place: Workplace) -> LaneBuilder:
    """What makes the backbone, once for each lane."""
    config = extraction.config
    return LaneBuilder(
        config.backbone,
        tile_px=config.tiling.tile_px,
        device=place.device,
        batch_size="auto",
        base=extraction.base,
        known=dict(extraction.identity),
    )


def stamp_of(extraction: Extraction) -> Stamp:
    """The identity of an extraction, as its caches carry it."""
    config, identity = extraction.config, extraction.identity
    return Stamp(
        fingerprint=extraction.extraction,
        backbone=identity["name"],
        weights_sha256=identity.get("weights_sha256", ""),
        tile_px=config.tiling.tile_px,
        stride_px=config.tiling.stride_px,
        tokens=config.backbone.tokens,
        layers=config.backbone.layers,
        feature_dim=0,
        dtype=config.cache.dtype,
    )


def user_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Where features are kept if nobody says: the user's cache folder, as the system has it.

    Args:
        environment: Variables to look at.
    """
    home = Path.home()
    places = {
        "darwin": home / "Library" / "Caches",
        "win32": Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local"),
    }
    elsewhere = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return places.get(sys.platform, elsewhere) / "biomass_pipeline"


def _manifest(
    folder: ImageFolder, config: Config, *, sidecar: Path, isolation: Isolation | None
) -> pd.DataFrame:
    try:
        found = image_manifest(
            folder,
            labels=None,
            sidecar=sidecar,
            max_pixels=config.data.max_pixels,
            stream_above_px=config.imaging.stream_above_px,
            isolation=isolation,
        )
    except MissingInputError:
        raise NoPhotosError(folder.location, why="nothing is there") from None
    if found.empty:
        raise NoPhotosError(folder.location, why=_NO_PHOTOS)
    return found


def _sidecar(location: str, place: Workplace) -> Path:
    """Where hashes of this location's unchanged photos are remembered."""
    whole = location if "://" in location else str((place.base / location).absolute())
    name = hashlib.sha256(whole.encode(errors="surrogateescape")).hexdigest()[:16]
    return place.cache / "hashes" / f"{name}.parquet"


def _limits(config: Config) -> ReadLimits:
    return ReadLimits(
        max_pixels=config.data.max_pixels, stream_above_px=config.imaging.stream_above_px
    )


def _reasons(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return [(str(path), str(why)) for path, why in zip(rows["path"], rows["reason"], strict=True)]


def _refusals(refused: tuple[Quarantined, ...]) -> list[tuple[str, str]]:
    return [(photo.path, photo.reason) for photo in refused]
