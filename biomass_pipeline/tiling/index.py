"""The tiles of many photos as one table."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.manifest import Picture
from biomass_pipeline.tiling.grid import TileGrid, tile_grid
from biomass_pipeline.tiling.validity import valid_grid

_DTYPES = {
    "image_id": "str",
    "tile": "int32",
    "row_px": "int32",
    "col_px": "int32",
    "area_weight": "float32",
    "valid_fraction": "float32",
    "height_px": "int32",
    "width_px": "int32",
    "path": "str",
    "image_sha256": "str",
}
_OF_TILE = ("row_px", "col_px", "area_weight", "valid_fraction")
_OF_PHOTO = {
    "image_id": "image_id",
    "height_px": "height_px",
    "width_px": "width_px",
    "path": "path",
    "image_sha256": "sha256",
}


def patch_index(
    images: pd.DataFrame,
    spec: TilingConfig,
    *,
    validity: Callable[[str, str], AbstractContextManager[Picture]] | None = None,
) -> pd.DataFrame:
    """List the tiles of each photo, photos in the order given, tiles row by row.

    Tiles without a valid pixel are left out, and the rest shares the photo's valid area.

    Args:
        images: Columns `image_id, path, sha256, height_px, width_px`, and `valid_fraction` where
            photos may hold nodata; one row a photo.
        spec: Tile size, stride and border mode.
        validity: Opens a photo, by path and SHA-256, for which of its pixels are valid; asked only
            where `valid_fraction` is below 1. Without it all pixels count as valid.

    Returns:
        Columns `image_id, tile, row_px, col_px, area_weight, valid_fraction, height_px, width_px,
        path, image_sha256`; the same types even without a row. `tile` counts in the whole grid, so
        it has gaps where tiles were left out.
    """
    kept, grids = [], []
    for path, sha256, height_px, width_px, fraction in _photos(images):
        if validity is None or fraction >= 1:
            grid = tile_grid(height_px, width_px, spec)
            which: NDArray[np.int64] = np.arange(len(grid))
        else:
            with validity(path, sha256) as picture:
                which, grid = valid_grid(picture, spec)
        kept.append(which)
        grids.append(grid)
    return _table(images, kept, grids)


def n_grid_tiles(images: pd.DataFrame, spec: TilingConfig) -> int:
    """How many tiles the photos would have if all their pixels were valid."""
    return sum(len(tile_grid(height, width, spec)) for _, _, height, width, _ in _photos(images))


def _photos(images: pd.DataFrame) -> list[tuple[str, str, int, int, float]]:
    fractions = images.get("valid_fraction", pd.Series(1.0, index=images.index))
    columns = [images[name] for name in ("path", "sha256", "height_px", "width_px")]
    return [
        (str(path), str(sha256), int(height), int(width), float(fraction))
        for path, sha256, height, width, fraction in zip(*columns, fractions, strict=True)
    ]


def _table(
    images: pd.DataFrame, kept: list[NDArray[np.int64]], grids: list[TileGrid]
) -> pd.DataFrame:
    photo = np.repeat(np.arange(len(images)), [len(which) for which in kept])
    columns = {name: images[source].iloc[photo].array for name, source in _OF_PHOTO.items()}
    tiles = {
        name: np.concatenate([np.empty(0), *(getattr(grid, name) for grid in grids)])
        for name in _OF_TILE
    }
    columns |= tiles | {"tile": np.concatenate([np.arange(0), *kept])}
    return pd.DataFrame(columns)[list(_DTYPES)].astype(_DTYPES)
