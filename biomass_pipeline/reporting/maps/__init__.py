"""Maps: what of a prediction lies where in the photo, for people and for map programs.

What may live here: a map's arithmetic and its files, from arrays to bytes. No photo is opened and
no network is asked.
"""

from biomass_pipeline.reporting.maps.ground import Ground
from biomass_pipeline.reporting.maps.tile_map import TileMap

__all__ = ["Ground", "TileMap"]
