"""Extraction: the tiles of each fold, and their features, embedded once a content."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import ceil

import dagster as dg
import pandas as pd

from biomass_pipeline.assets.blueprint import (
    GPU_POOL,
    BackboneSource,
    Blueprint,
    FeatureStore,
    PhotoSource,
    Reporter,
    table_result,
)
from biomass_pipeline.assets.checking import check_result, earlier_metadata
from biomass_pipeline.assets.columns import feature_schema
from biomass_pipeline.assets.feature_checks import feature_checks, feature_specs
from biomass_pipeline.assets.pages import groups_page, table_of
from biomass_pipeline.config import Config, DataConfig, fingerprint
from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.evaluation import TILES, Finding, check_schema, listed
from biomass_pipeline.features import PhotoEmbedder, Reading, cells_of, photos_of, views_of
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.manifest import Picture, read_validity
from biomass_pipeline.store import Cache, FoldContents, Stamp, Written
from biomass_pipeline.tiling import n_grid_tiles, uncovered_photos
from biomass_pipeline.tiling import patch_index as index_patches

_GROUP = "extraction"
# Raise one when its code changes what it holds.
_TILES_CODE, _CACHE_CODE = "2", "1"
_COVERED = "tiles_cover_each_photo"


def extraction_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`patch_index` and `feature_cache`, one partition a fold."""
    config = blueprint.config
    cells = cells_of(config.backbone, tile_px=config.tiling.tile_px)

    @blueprint.asset(
        _GROUP,
        code=_TILES_CODE,
        # Whole tiles are the same for every backbone, and so is their table.
        decides={"tiling": config.tiling} | ({"cells": cells} if len(cells) > 2 else {}),  # noqa: PLR2004
        partitioned=True,
        kinds={"parquet", "pandas"},
        check_specs=[
            dg.AssetCheckSpec(
                _COVERED,
                asset="patch_index",
                description="Tiles hold every valid pixel of their photo once, and nothing else.",
                blocking=True,
            )
        ],
    )
    def patch_index(  # type: ignore[no-untyped-def]  # noqa: ANN202  # as below
        context: dg.AssetExecutionContext,
        image_manifest: pd.DataFrame,
        fold_assignment: pd.DataFrame,
        photos: dg.ResourceParam[PhotoSource],
    ):
        """Every tile of the fold's photos: its corner in pixels and its share of the valid area.

        One row a tile; the weights of a photo sum to 1. Partition k holds the photos that fold k
        holds out. Made of their sizes and of the section `tiling`.
        """
        held_out = fold_assignment[fold_assignment["fold"] == int(context.partition_key)]
        images = image_manifest[image_manifest["image_id"].isin(held_out["image_id"])]
        table = tiles_of(images, config=config, photos=photos)
        dropped = n_grid_tiles(images, config.tiling) - len(table)
        found = table_result(table, nodata_tiles_dropped=dropped, **groups_page(held_out))
        return found._replace(check_results=[_coverage(table, images, config)])

    # No return annotation: beside a check result Dagster refuses `MaterializeResult[Cache]`.
    @blueprint.asset(
        _GROUP,
        code=_CACHE_CODE,
        decides={"extraction fingerprint": blueprint.extraction},
        partitioned=True,
        kinds={"hdf5", "pytorch"},
        pool=GPU_POOL,
        io_manager_key="feature_handles",
        check_specs=feature_specs("feature_cache"),
    )
    def feature_cache(  # type: ignore[no-untyped-def]  # noqa: ANN202  # as above
        context: dg.AssetExecutionContext,
        patch_index: dict[int, pd.DataFrame],
        photos: dg.ResourceParam[PhotoSource],
        backbone: dg.ResourceParam[BackboneSource],
        features: dg.ResourceParam[FeatureStore],
        reporter: dg.ResourceParam[Reporter],
    ):
        """The fold's tile features in HDF5. Rows of known content are copied, not embedded.

        One row a tile (or a view and cell of one), as wide as the backbone's output. Made of the
        photos' pixels by the backbone that the configuration names: the expensive step, once a
        content.
        """
        fold = int(context.partition_key)
        contents = contents_of(patch_index[fold], config=config)
        stamp = stamp_of(blueprint, backbone)
        written = features.write(
            fold,
            contents,
            stamp=stamp,
            embedder=PhotoEmbedder(
                photos_of(contents),
                reading=reading_of(config, photos),
                build=backbone.build,
                engine=backbone.engine(),
                on_progress=reporter.extraction(fold),
            ),
            max_refused=_most_refused(len(contents.image_ids), config.data),
        )
        return cache_result(
            contents, written, stamp=stamp, asset="feature_cache", instance=context.instance
        )

    return [patch_index, feature_cache]


def tiles_of(images: pd.DataFrame, *, config: Config, photos: PhotoSource) -> pd.DataFrame:
    """Every tile of some photos; those that are partly nodata are read for it."""
    limits = reading_of(config, photos).limits
    cells = cells_of(config.backbone, tile_px=config.tiling.tile_px)
    return index_patches(images, config.tiling, validity=_validity(photos, limits), cells=cells)


def contents_of(tiles: pd.DataFrame, *, config: Config) -> FoldContents:
    """What a cache of these tiles holds."""
    return FoldContents.from_patch_index(
        tiles,
        tiling=config.tiling,
        cells=cells_of(config.backbone, tile_px=config.tiling.tile_px),
        views=views_of(config.backbone),
    )


def _validity(
    photos: PhotoSource, limits: ReadLimits
) -> Callable[[str, str], AbstractContextManager[Picture]]:
    """What opens a photo, by path and SHA-256, for which of its pixels are valid."""

    @contextmanager
    def read(path: str, sha256: str) -> Iterator[Picture]:
        try:
            with photos.open(path) as stream:
                yield read_validity(stream, path=path, sha256=sha256, limits=limits)
        except UnreadableImageError as error:
            raise UnreadableImageError(reason=error.reason, path=path) from error
        except OSError as error:
            reason = f"unreadable: {error.strerror or error}"
            raise UnreadableImageError(reason=reason, path=path) from error

    return read


def reading_of(config: Config, photos: PhotoSource) -> Reading:
    """How photos are opened and decoded."""
    limits = ReadLimits(
        max_pixels=config.data.max_pixels, stream_above_px=config.imaging.stream_above_px
    )
    return Reading(
        open=photos.open,
        tile_px=config.tiling.tile_px,
        limits=limits,
        threads=config.compute.decode_threads,
        isolation=Isolation.of(config.compute),
    )


def _most_refused(n_photos: int, data: DataConfig) -> int:
    """How many of a fold's photos may fail; never all, or nothing would be held out."""
    return min(ceil(data.max_quarantined_fraction * n_photos), n_photos - 1)


def stamp_of(blueprint: Blueprint, backbone: BackboneSource) -> Stamp:
    """The identity of the extraction, as caches carry it."""
    config, identity = blueprint.config, backbone.identity()
    return Stamp(
        fingerprint=blueprint.extraction,
        backbone=identity["name"],
        weights_sha256=identity.get("weights_sha256", ""),
        tile_px=config.tiling.tile_px,
        stride_px=config.tiling.stride_px,
        tokens=config.backbone.tokens,
        layers=config.backbone.layers,
        feature_dim=0,
        dtype=config.cache.dtype,
    )


def cache_result(
    contents: FoldContents,
    written: Written,
    *,
    stamp: Stamp,
    asset: str,
    instance: dg.DagsterInstance,
) -> dg.MaterializeResult[Cache]:
    """A handle on a cache with its content as data version, what it cost, and its checks."""
    version = fingerprint(
        stamp.fingerprint,
        contents.image_ids,
        contents.image_sha256,
        contents.offsets.tolist(),
        sorted(photo.image_id for photo in written.quarantined),
    )
    summary, checks = feature_checks(
        written.cache, asset=asset, past=earlier_metadata(instance, asset)
    )
    return dg.MaterializeResult(
        value=written.cache,
        data_version=dg.DataVersion(version),
        metadata={
            "backbone": stamp.backbone,
            "dagster/column_schema": feature_schema(stamp.dtype),
            **_cache_metadata(contents, written),
            **summary,
        },
        check_results=checks,
    )


def _cache_metadata(
    contents: FoldContents, written: Written
) -> dict[str, dg.MetadataValue | str | int]:
    quarantined = pd.DataFrame(
        [(photo.path, photo.reason) for photo in written.quarantined], columns=["path", "reason"]
    )
    return {
        "extraction_fingerprint": written.cache.fingerprint,
        "photos": len(contents.image_ids) - len(quarantined),
        "dagster/row_count": contents.n_patches,
        "photos_embedded": written.n_embedded,
        "photos_reused": written.n_reused,
        "photos_quarantined": len(quarantined),
        "quarantine": table_of(quarantined),
    }


def _coverage(tiles: pd.DataFrame, images: pd.DataFrame, config: Config) -> dg.AssetCheckResult:
    """Whether the table is what it must be, and the tiles cover their photos."""
    found = check_schema(tiles, TILES)
    if found.passed:
        faults = uncovered_photos(tiles, images, config.tiling)
        told = f"{faults['image_id'].nunique()} of {len(images)} photos are not covered once"
        cases = [f"{image} {problem}" for image, problem in faults.to_numpy().tolist()]
        said = f"{told}: {listed(cases)}." if cases else f"{told}."
        found = Finding(not cases, said, faults, {"photos": len(images), "rows": len(tiles)})
    return check_result(
        found, name=_COVERED, asset="patch_index", severity=dg.AssetCheckSeverity.ERROR
    )
