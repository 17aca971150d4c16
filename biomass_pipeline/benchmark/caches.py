"""Writing and reading a fold's cache, without any backbone in the way."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.benchmark.backbones import FOLD, bench_stamp
from biomass_pipeline.benchmark.plan import Plan
from biomass_pipeline.benchmark.records import CacheRates
from biomass_pipeline.benchmark.timing import fastest
from biomass_pipeline.features import Block
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder, FoldContents
from biomass_pipeline.tiling import patch_index

N_BAGS = 400
_SEED = 0


@dataclass(frozen=True)
class ReadyRows:
    """An embedder whose rows are there already: shape (photo, tile, feature)."""

    rows: NDArray[np.float32]

    def feature_dim(self) -> int:
        """The width of a row."""
        return int(self.rows.shape[2])

    def notes(self) -> Mapping[str, str]:
        """Nothing to add."""
        return {}

    def embed(self, wanted: Mapping[int, NDArray[np.int64]]) -> Generator[Block]:
        """Yield each photo's rows whole."""
        for photo, tiles in wanted.items():
            yield Block(photo, tiles, self.rows[photo][tiles])


def cache_rates(plan: Plan, *, feature_dim: int, folder: Path, n_bags: int = N_BAGS) -> CacheRates:
    """Write and read bags of a photo's tiles.

    Args:
        plan: The photo's size and the cache's number type.
        feature_dim: Numbers a tile.
        folder: For the files.
        n_bags: How many photos.
    """
    contents = ready_contents(plan, n_bags)
    n_tiles = contents.n_patches // n_bags
    chance = np.random.default_rng(_SEED)
    rows = chance.standard_normal((n_bags, n_tiles, feature_dim), dtype=np.float32)
    stamp, turns = bench_stamp("benchmark", plan), count()

    def write() -> FeatureFolder:
        place = FeatureFolder(Layout(folder / f"turn_{next(turns)}"))
        place.write(FOLD, contents, stamp=stamp, embedder=ReadyRows(rows), max_refused=0)
        return place

    cache = write().open(FOLD, stamp.fingerprint)
    mapped, order = cache.memory_map(), chance.permutation(n_bags)
    took = fastest(
        {
            "write": write,
            "read": cache.load,
            "random": lambda: [np.array(mapped.bag(i)) for i in order],
        },
        effort=plan.effort,
    )
    n_bytes = mapped.features.nbytes
    return CacheRates(
        n_bags,
        n_tiles,
        feature_dim,
        dtype=stamp.dtype,
        write_bytes_per_s=n_bytes / took["write"],
        read_bytes_per_s=n_bytes / took["read"],
        random_bytes_per_s=n_bytes / took["random"],
    )


def ready_contents(plan: Plan, n_bags: int) -> FoldContents:
    """A fold of photos that are nowhere: names, contents and tiles only."""
    height_px, width_px = plan.photo_px
    names = [f"photo_{number:06d}" for number in range(n_bags)]
    images = pd.DataFrame(
        {"image_id": names, "path": names, "sha256": names}
        | {"height_px": height_px, "width_px": width_px, "valid_fraction": 1.0}
    )
    return FoldContents.from_patch_index(patch_index(images, plan.config.tiling))
