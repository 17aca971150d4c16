"""What has to be said beside a map, so that nobody takes it for more than it is."""

import numpy as np

from biomass_pipeline.inference.evidence import Claim
from biomass_pipeline.reporting.maps.ground import Ground
from biomass_pipeline.reporting.maps.overlay import figure_of, headline
from biomass_pipeline.reporting.maps.photo_map import PhotoMap
from biomass_pipeline.reporting.maps.tile_map import TileMap

_NAMES = {"mil": "the networks", "ridge": "the ridge", "stack": "the stack of network and ridge"}
_SAME = 1e-6
_M2_A_HA = 1e4
_SMALL_M2 = 1e3  # below it nobody speaks of hectares
_G_A_KG = 1e3
_G_A_T = 1e6


def sentences(photo: PhotoMap, target: str, claim: Claim) -> list[str]:
    """All that is said of a map: its prediction, whose it is, and what it is on the ground."""
    tile_map = photo.tile_map(target)
    found = [headline(tile_map, photo.ground) + ".", model_sentence(tile_map, claim, photo.ground)]
    if is_even(tile_map):
        one, alike = "The photo is one tile", "All tiles are alike to these networks"
        why = one if len(tile_map.boxes) == 1 else alike
        found.append(f"{why}, so the map tells nothing of places.")
    if ground := ground_sentence(photo, target):
        found.append(ground)
    return found


def model_sentence(tile_map: TileMap, claim: Claim, ground: Ground) -> str:
    """Whose prediction the map divides up, and what is reported beside it."""
    if claim.exact:
        return "The map divides up the prediction itself: the networks make it."
    names = " and ".join(_NAMES[model] for model in claim.models)
    found, reported = (
        _amount(tile_map, value, ground) for value in (claim.network, claim.predicted)
    )
    if abs(tile_map.total - claim.network) > _SAME * max(claim.network, _SAME):
        return (
            f"The map shows where the networks find it, {found} in all, scaled to the prediction "
            f"that is reported: {reported}, by {names}, which cannot be divided over tiles."
        )
    return (
        f"The map divides up what the networks predict, {found}; the prediction that is reported "
        f"is {reported}, by {names}, which cannot be divided over tiles."
    )


def ground_sentence(photo: PhotoMap, target: str) -> str:
    """What the map adds up to on the ground; empty for a plain photo, or another unit than g."""
    area_m2, tile_map = photo.valid_area_m2, photo.tile_map(target)
    if area_m2 is None or tile_map.unit != "g":
        return ""
    grams = tile_map.total * area_m2 / photo.ground.quadrat_area_m2
    mass = (grams / _G_A_T, "t") if grams >= _G_A_T else (grams / _G_A_KG, "kg")
    area = (area_m2 / _M2_A_HA, "ha") if area_m2 >= _SMALL_M2 else (area_m2, "m²")
    mass_text, area_text = (f"{figure_of(value)} {unit}" for value, unit in (mass, area))
    return f"In all {mass_text} of dry matter on {area_text}."


def _amount(tile_map: TileMap, value: float, ground: Ground) -> str:
    """A prediction as the map's headline has it: of an orthomosaic grams would mislead."""
    if tile_map.unit != "g":
        return f"{figure_of(value)} {tile_map.unit}"
    if ground.px_area_m2 is None:
        return f"{figure_of(value)} g"
    return f"{figure_of(value * ground.kg_dm_ha)} kg DM/ha"


def is_even(tile_map: TileMap) -> bool:
    """Whether all tiles are alike, as they are to networks that weigh them all alike."""
    density = tile_map.tile_density()
    return bool(np.ptp(density) <= _SAME * max(float(density.max(initial=0.0)), _SAME))
