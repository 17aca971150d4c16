"""Maps: what of a prediction lies where in the photo, for people and for map programs.

What may live here: a map's arithmetic, its pictures and files, as bytes. No network is asked, and
only `reading` opens photos. What draws is imported from `overlay`, because that is slow.
"""

from biomass_pipeline.reporting.maps.ground import Georeference, Ground
from biomass_pipeline.reporting.maps.photo_map import PhotoMap, Tiles
from biomass_pipeline.reporting.maps.tile_map import DensityGrid, TileMap

__all__ = ["DensityGrid", "Georeference", "Ground", "PhotoMap", "TileMap", "Tiles"]
