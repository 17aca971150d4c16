"""The tiles of many photos as one table."""

import numpy as np
import pandas as pd

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.tiling.grid import tile_grid

_DTYPES = {
    "image_id": "str",
    "tile": "int32",
    "row_px": "int32",
    "col_px": "int32",
    "area_weight": "float32",
    "valid_fraction": "float32",
    "path": "str",
    "image_sha256": "str",
}


def patch_index(images: pd.DataFrame, spec: TilingConfig) -> pd.DataFrame:
    """List the tiles of each photo, photos in the order given, tiles row by row.

    Args:
        images: Columns `image_id, path, sha256, height_px, width_px`; one row a photo.
        spec: Tile size, stride and border mode.

    Returns:
        Columns `image_id, tile, row_px, col_px, area_weight, valid_fraction, path, image_sha256`;
        the same types even without a row.
    """
    sizes = zip(images["height_px"], images["width_px"], strict=True)
    grids = [tile_grid(int(height), int(width), spec) for height, width in sizes]
    counts = np.array([len(grid) for grid in grids], dtype=np.int64)
    photo = np.repeat(np.arange(len(images)), counts)
    columns = {
        "image_id": images["image_id"].iloc[photo].array,
        "tile": np.concatenate([np.arange(0), *map(np.arange, counts)]),
        "row_px": np.concatenate([np.arange(0), *(grid.row_px for grid in grids)]),
        "col_px": np.concatenate([np.arange(0), *(grid.col_px for grid in grids)]),
        "area_weight": np.concatenate([np.empty(0), *(grid.area_weight for grid in grids)]),
        "valid_fraction": np.concatenate([np.empty(0), *(grid.valid_fraction for grid in grids)]),
        "path": images["path"].iloc[photo].array,
        "image_sha256": images["sha256"].iloc[photo].array,
    }
    return pd.DataFrame(columns).astype(_DTYPES)
