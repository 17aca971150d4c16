"""Backbones on ready tiles, and the whole pipeline from files to a finished cache."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.benchmark.pictures import Pictures
from biomass_pipeline.benchmark.plan import Plan
from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.features import (
    Backbone,
    PhotoEmbedder,
    Reading,
    cells_of,
    embed_here,
    photos_of,
    views_of,
)
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder, FoldContents, Stamp
from biomass_pipeline.tiling import patch_index

FOLD = 0


def bare(
    lanes: Sequence[Backbone], tiles: NDArray[np.uint8], *, n_tiles: int
) -> Callable[[], None]:
    """A call that embeds ready tiles over and over, each lane its share.

    Args:
        lanes: Callers side by side, as the pipeline has them.
        tiles: Shape (tile, side, side, 3), repeated as needed.
        n_tiles: How many to embed in all.
    """
    size = lanes[0].batch_size
    batch = np.resize(tiles, (min(size, n_tiles), *tiles.shape[1:]))
    sizes = [min(size, n_tiles - start) for start in range(0, n_tiles, size)]

    def lane(number: int) -> None:
        for some in sizes[number :: len(lanes)]:
            lanes[number].embed(batch[:some])

    def call() -> None:
        with ThreadPoolExecutor(len(lanes)) as pool:
            for done in [pool.submit(lane, number) for number in range(len(lanes))]:
                done.result()

    return call


def pipeline(
    spec: BackboneConfig, lanes: Sequence[Backbone], *, plan: Plan, pictures: Pictures, root: Path
) -> Callable[[], None]:
    """A call that embeds all photos from their files into a new cache file.

    Args:
        spec: The backbone.
        lanes: The same, built.
        plan: How photos are cut and features stored.
        pictures: The photos.
        root: For the cache files.
    """
    config = plan.config
    contents = FoldContents.from_patch_index(
        patch_index(pictures.table, config.tiling),
        tiling=config.tiling,
        cells=cells_of(spec, tile_px=config.tiling.tile_px),
        views=views_of(spec),
    )
    reading = Reading(
        open=lambda path: (pictures.folder / path).open("rb"),
        tile_px=config.tiling.tile_px,
        limits=ReadLimits(config.data.max_pixels, config.imaging.stream_above_px),
        threads=config.compute.decode_threads,
    )
    stamp = bench_stamp(lanes[0].name, plan, tokens=spec.tokens, layers=spec.layers)
    turns = count()

    def call() -> None:
        embedder = PhotoEmbedder(
            photos_of(contents),
            reading=reading,
            build=lambda: lanes,
            engine=embed_here,
            on_progress=lambda _: None,
        )
        folder = FeatureFolder(Layout(root / f"turn_{next(turns)}"))
        folder.write(FOLD, contents, stamp=stamp, embedder=embedder, max_refused=0)

    return call


def bench_stamp(name: str, plan: Plan, *, tokens: str = "cls", layers: str = "last") -> Stamp:
    """What a benchmark's cache files say of themselves."""
    return Stamp(
        fingerprint="benchmark",
        backbone=name,
        weights_sha256="",
        tile_px=plan.config.tiling.tile_px,
        stride_px=plan.config.tiling.stride_px,
        tokens=tokens,
        layers=layers,
        feature_dim=0,
        dtype=plan.config.cache.dtype,
    )
