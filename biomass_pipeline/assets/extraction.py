"""Extraction: the tiles of each fold, and their features, embedded once a content."""

from collections.abc import Callable, Iterator, Sequence
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
    markdown_table,
    table_result,
)
from biomass_pipeline.config import Config, DataConfig, fingerprint
from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.features import PhotoEmbedder, Reading, cells_of, photos_of, views_of
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.manifest import Picture, read_validity
from biomass_pipeline.store import Cache, FoldContents, Quarantined, Stamp, Written
from biomass_pipeline.tiling import n_grid_tiles
from biomass_pipeline.tiling import patch_index as index_patches

_GROUP = "extraction"
# Raise one when its code changes what it holds.
_TILES_CODE, _CACHE_CODE = "2", "1"
_FINITE = "features_are_finite"


def extraction_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`patch_index` and `feature_cache`, one partition a fold."""
    config = blueprint.config
    cells = cells_of(config.backbone, tile_px=config.tiling.tile_px)

    @blueprint.asset(
        _GROUP,
        code=_TILES_CODE,
        # Whole tiles are the same for every backbone, and so is their table.
        decides=[config.tiling, *([cells] if len(cells) > 2 else [])],  # noqa: PLR2004
        partitioned=True,
        kinds={"parquet", "pandas"},
    )
    def patch_index(
        context: dg.AssetExecutionContext,
        image_manifest: pd.DataFrame,
        fold_assignment: pd.DataFrame,
        photos: dg.ResourceParam[PhotoSource],
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Every tile of the fold's photos: its corner in pixels and its share of the valid area."""
        held_out = fold_assignment[fold_assignment["fold"] == int(context.partition_key)]
        images = image_manifest[image_manifest["image_id"].isin(held_out["image_id"])]
        limits = _reading(config, photos).limits
        table = index_patches(
            images, config.tiling, validity=_validity(photos, limits), cells=cells
        )
        dropped = n_grid_tiles(images, config.tiling) - len(table)
        return table_result(table, photos=len(images), nodata_tiles_dropped=dropped)

    # No return annotation: beside a check result Dagster refuses `MaterializeResult[Cache]`.
    @blueprint.asset(
        _GROUP,
        code=_CACHE_CODE,
        decides=[blueprint.extraction],
        partitioned=True,
        kinds={"hdf5", "pytorch"},
        pool=GPU_POOL,
        io_manager_key="feature_handles",
        # Not an `@asset_check`: those cannot follow the partition of the run yet.
        check_specs=[dg.AssetCheckSpec(_FINITE, asset="feature_cache", blocking=True)],
    )
    def feature_cache(  # type: ignore[no-untyped-def]  # noqa: ANN202  # as above
        context: dg.AssetExecutionContext,
        patch_index: dict[int, pd.DataFrame],
        photos: dg.ResourceParam[PhotoSource],
        backbone: dg.ResourceParam[BackboneSource],
        features: dg.ResourceParam[FeatureStore],
        reporter: dg.ResourceParam[Reporter],
    ):
        """The fold's tile features in HDF5. Rows of known content are copied, not embedded."""
        fold = int(context.partition_key)
        contents = FoldContents.from_patch_index(
            patch_index[fold],
            tiling=config.tiling,
            cells=cells,
            views=views_of(config.backbone),
        )
        embedder = PhotoEmbedder(
            photos_of(contents),
            reading=_reading(config, photos),
            build=backbone.build,
            engine=backbone.engine(),
            on_progress=reporter.extraction(fold),
        )
        stamp = _stamp(blueprint, backbone)
        written = features.write(
            fold,
            contents,
            stamp=stamp,
            embedder=embedder,
            max_refused=_most_refused(len(contents.image_ids), config.data),
        )
        return dg.MaterializeResult(
            value=written.cache,
            data_version=dg.DataVersion(
                _cache_version(blueprint.extraction, contents, written.quarantined)
            ),
            metadata={"backbone": stamp.backbone, **_cache_metadata(contents, written)},
            check_results=[_finiteness(written.cache)],
        )

    return [patch_index, feature_cache]


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


def _reading(config: Config, photos: PhotoSource) -> Reading:
    limits = ReadLimits(
        max_pixels=config.data.max_pixels, stream_above_px=config.imaging.stream_above_px
    )
    return Reading(
        open=photos.open,
        tile_px=config.tiling.tile_px,
        limits=limits,
        threads=config.compute.decode_threads,
    )


def _most_refused(n_photos: int, data: DataConfig) -> int:
    """How many of a fold's photos may fail; never all, or nothing would be held out."""
    return min(ceil(data.max_quarantined_fraction * n_photos), n_photos - 1)


def _stamp(blueprint: Blueprint, backbone: BackboneSource) -> Stamp:
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
        "quarantine": dg.MetadataValue.md(markdown_table(quarantined.head(50))),
    }


def _finiteness(cache: Cache) -> dg.AssetCheckResult:
    """Read the fold back, and look for NaN and infinity."""
    broken = cache.broken_photos()
    return dg.AssetCheckResult(
        check_name=_FINITE,
        passed=not broken,
        description=f"{len(broken)} photos have features that are NaN or infinite.",
        metadata={"photos": list(broken[:20])},
    )


def _cache_version(
    extraction: str, contents: FoldContents, quarantined: Sequence[Quarantined]
) -> str:
    return fingerprint(
        extraction,
        contents.image_ids,
        contents.image_sha256,
        contents.offsets.tolist(),
        sorted(photo.image_id for photo in quarantined),
    )
