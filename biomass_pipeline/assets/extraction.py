"""Extraction: the tiles of each fold, and their features, embedded once a content."""

import dagster as dg
import numpy as np
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
from biomass_pipeline.config import fingerprint
from biomass_pipeline.features import PhotoEmbedder, Workers, photos_of
from biomass_pipeline.store import Cache, FoldContents, Stamp
from biomass_pipeline.tiling import patch_index as index_patches

_GROUP = "extraction"
# Raise one when its code changes what it holds.
_TILES_CODE, _CACHE_CODE = "1", "1"
_FINITE = "features_are_finite"


def extraction_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`patch_index` and `feature_cache`, one partition a fold."""
    config = blueprint.config

    @blueprint.asset(
        _GROUP,
        code=_TILES_CODE,
        decides=[config.tiling],
        partitioned=True,
        kinds={"parquet", "pandas"},
    )
    def patch_index(
        context: dg.AssetExecutionContext,
        image_manifest: pd.DataFrame,
        fold_assignment: pd.DataFrame,
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Every tile of the fold's photos: its corner in pixels and its share of the area."""
        held_out = fold_assignment[fold_assignment["fold"] == int(context.partition_key)]
        photos = image_manifest[image_manifest["image_id"].isin(held_out["image_id"])]
        table = index_patches(photos, config.tiling)
        return table_result(table, photos=len(photos))

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
        contents = FoldContents.from_patch_index(patch_index[fold])
        embedder = PhotoEmbedder(
            photos_of(
                contents.paths,
                contents.image_sha256,
                coords=contents.coords,
                offsets=contents.offsets,
            ),
            read=photos.read,
            build=backbone.build,
            tile_px=config.tiling.tile_px,
            workers=Workers(
                batch_size=config.compute.batch_size,
                decode_threads=config.compute.decode_threads,
                max_pixels=config.data.max_pixels,
            ),
            on_progress=reporter.extraction(fold),
        )
        stamp = _stamp(blueprint, backbone)
        written = features.write(fold, contents, stamp=stamp, embedder=embedder)
        return dg.MaterializeResult(
            value=written.cache,
            data_version=dg.DataVersion(_cache_version(blueprint.extraction, contents)),
            metadata={
                "backbone": stamp.backbone,
                "extraction_fingerprint": blueprint.extraction,
                "photos": len(contents.image_ids),
                "dagster/row_count": contents.n_patches,
                "photos_embedded": written.n_embedded,
                "photos_reused": written.n_reused,
            },
            check_results=[_finiteness(written.cache)],
        )

    return [patch_index, feature_cache]


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


def _finiteness(cache: Cache) -> dg.AssetCheckResult:
    """Read the fold back as training will, and look for NaN and infinity."""
    features = cache.load()
    broken = [
        image_id
        for i, image_id in enumerate(features.image_ids)
        if not np.isfinite(features.bag(i)).all()
    ]
    return dg.AssetCheckResult(
        check_name=_FINITE,
        passed=not broken,
        description=f"{len(broken)} of {len(features.image_ids)} photos have features that are "
        "NaN or infinite.",
        metadata={"photos": broken[:20]},
    )


def _cache_version(extraction: str, contents: FoldContents) -> str:
    return fingerprint(
        extraction, contents.image_ids, contents.image_sha256, contents.offsets.tolist()
    )
