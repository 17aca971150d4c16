"""What has to be said beside a map, so that nobody takes it for more than it is."""

from collections.abc import Sequence

import numpy as np

from biomass_pipeline.reporting.maps.overlay import figure_of
from biomass_pipeline.reporting.maps.photo_map import PhotoMap
from biomass_pipeline.reporting.maps.tile_map import TileMap

_NAMES = {"mil": "the networks", "ridge": "the ridge", "stack": "the stack of network and ridge"}
_SAME = 1e-6
_M2_A_HA = 1e4
_G_A_KG = 1e3
_G_A_T = 1e6


def model_sentence(
    tile_map: TileMap, *, network: float, predicted: float, models: Sequence[str]
) -> str:
    """Whose prediction the map divides up, and what is reported beside it.

    Args:
        tile_map: The map.
        network: What the networks predict.
        predicted: What `biomass predict` reports.
        models: Who makes that: `mil`, `ridge`, `stack`, one or more as folds chose.
    """
    if tuple(models) == ("mil",):
        return "The map divides up the prediction itself: the networks make it."
    names = " and ".join(_NAMES[model] for model in models)
    unit = tile_map.unit
    found, reported = (f"{figure_of(value)} {unit}" for value in (network, predicted))
    if abs(tile_map.total - network) > _SAME * max(network, _SAME):
        return (
            f"The map shows where the networks find it, {found} in all, scaled to what `biomass "
            f"predict` reports: {reported}, by {names}, which cannot be divided over tiles."
        )
    return (
        f"The map divides up what the networks predict, {found}; `biomass predict` reports "
        f"{reported}, by {names}, which cannot be divided over tiles."
    )


def ground_sentence(photo: PhotoMap, target: str) -> str:
    """What the map adds up to on the ground; empty for a plain photo, or another unit than g."""
    area_m2, tile_map = photo.valid_area_m2, photo.tile_map(target)
    if area_m2 is None or tile_map.unit != "g":
        return ""
    grams = tile_map.total * area_m2 / photo.ground.quadrat_area_m2
    mass = (
        f"{figure_of(grams / _G_A_T)} t" if grams >= _G_A_T else f"{figure_of(grams / _G_A_KG)} kg"
    )
    return f"In all {mass} of dry matter on {figure_of(area_m2 / _M2_A_HA)} ha."


def is_even(tile_map: TileMap) -> bool:
    """Whether all tiles are alike, as they are to networks that weigh them all alike."""
    density = tile_map.tile_density()
    return bool(np.ptp(density) <= _SAME * max(float(density.max(initial=0.0)), _SAME))
