"""Whether the tiles of a photo cover it: what a table of tiles must keep to be believed."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.tiling.grid import tile_grid

# A sum of float32 weights is off by less, however many tiles there are.
_ROUNDING = 1e-4


def uncovered_photos(tiles: pd.DataFrame, images: pd.DataFrame, spec: TilingConfig) -> pd.DataFrame:
    """Photos whose tiles do not cover every valid pixel once.

    `area_weight` counts each valid pixel by the share that a tile has of it, so the weights of a
    photo add up to 1 only if no valid pixel was left out.

    Args:
        tiles: As `patch_index` gives them.
        images: The photos that were to be cut: `image_id, height_px, width_px, valid_fraction`.
        spec: How they were to be cut.

    Returns:
        Columns `image_id` and `problem`; no row if all is well.
    """
    parts = {str(image): rows for image, rows in tiles.groupby("image_id", sort=False)}
    found = [
        (image, problem)
        for image, height_px, width_px, fraction in images[
            ["image_id", "height_px", "width_px", "valid_fraction"]
        ].itertuples(index=False)
        for problem in _problems(
            parts.get(image),
            size_px=(int(height_px), int(width_px)),
            whole=fraction >= 1,
            spec=spec,
        )
    ]
    strangers = sorted(set(parts) - set(images["image_id"]))
    found += [(image, "is no photo of this fold") for image in strangers]
    return pd.DataFrame(found, columns=["image_id", "problem"])


def _problems(
    tiles: pd.DataFrame | None, *, size_px: tuple[int, int], whole: bool, spec: TilingConfig
) -> Iterator[str]:
    if tiles is None:
        yield "has no tile"
        return
    weight = tiles["area_weight"].to_numpy(dtype=np.float64)
    if not abs(weight.sum() - 1) <= _ROUNDING:
        yield f"its area weights add up to {weight.sum():.6f}"
    if not (weight >= 0).all():
        yield "a tile has a negative area weight"
    grid = tile_grid(*size_px, spec)
    expected = set(zip(grid.row_px.tolist(), grid.col_px.tolist(), strict=True))
    placed = list(zip(tiles["row_px"].tolist(), tiles["col_px"].tolist(), strict=True))
    if len(set(placed)) < len(placed):
        yield "a tile is there twice"
    if strange := len(set(placed) - expected):
        yield f"{strange} tile(s) lie where none belongs"
    if whole and (missing := len(expected - set(placed))):
        yield f"{missing} of {len(expected)} tile(s) are missing"
