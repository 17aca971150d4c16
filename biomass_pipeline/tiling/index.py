"""The tiles of many photos as one table."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pandas as pd

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.manifest import Picture
from biomass_pipeline.tiling.grid import tile_grid
from biomass_pipeline.tiling.validity import ValidTiles, valid_grid

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
_ONE_CELL = 2  # bounds
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
    cells: Sequence[int] = (),
) -> pd.DataFrame:
    """List the tiles of each photo, photos in the order given, tiles row by row.

    Tiles without a valid pixel are left out, and the rest shares the photo's valid area.

    Args:
        images: Columns `image_id, path, sha256, height_px, width_px`, and `valid_fraction` where
            photos may hold nodata; one row a photo.
        spec: Tile size, stride and border mode.
        validity: Opens a photo, by path and SHA-256, for which of its pixels are valid; asked only
            where `valid_fraction` is below 1. Without it all pixels count as valid.
        cells: Bounds in pixels of the cells along a tile's side, if more than one has rows.

    Returns:
        Columns `image_id, tile, row_px, col_px, area_weight, valid_fraction, height_px, width_px,
        path, image_sha256`; the same types even without a row. `tile` counts in the whole grid, so
        it has gaps where tiles were left out. With cells also `cell_shares`, a list of the share of
        the tile's area weight in each of its cells; None where the tile has no nodata.
    """
    has_cells = len(cells) > _ONE_CELL
    found = []
    for path, sha256, height_px, width_px, fraction in _photos(images):
        if validity is None or fraction >= 1:
            grid = tile_grid(height_px, width_px, spec)
            found.append(ValidTiles(np.arange(len(grid)), grid, [None] * len(grid)))
        else:
            with validity(path, sha256) as picture:
                found.append(valid_grid(picture, spec, cells if has_cells else ()))
    table = _table(images, found)
    return table.assign(cell_shares=_lists(found)) if has_cells else table


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


def _table(images: pd.DataFrame, found: list[ValidTiles]) -> pd.DataFrame:
    photo = np.repeat(np.arange(len(images)), [len(tiles.kept) for tiles in found])
    columns = {name: images[source].iloc[photo].array for name, source in _OF_PHOTO.items()}
    tiles = {
        name: np.concatenate([np.empty(0), *(getattr(tiles.grid, name) for tiles in found)])
        for name in _OF_TILE
    }
    columns |= tiles | {"tile": np.concatenate([np.arange(0), *(tiles.kept for tiles in found)])}
    return pd.DataFrame(columns)[list(_DTYPES)].astype(_DTYPES)


def _lists(found: list[ValidTiles]) -> pd.Series:
    lists = [
        None if shares is None else shares.tolist()
        for tiles in found
        for shares in tiles.cell_shares
    ]
    return pd.Series(lists, dtype="object")
