"""A map as tables: a row a tile for spreadsheets, a polygon a tile for map programs."""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.reporting.maps.photo_map import PhotoMap
from biomass_pipeline.reporting.maps.tile_map import Counts

_DEGREE_DIGITS = 9  # a tenth of a millimetre
_PIXELS = "pixels of the upright photo: x to the right, y down from its upper left corner"
_WGS84 = "WGS 84 longitude and latitude, degrees (RFC 7946)"


def tile_table(photo: PhotoMap) -> pd.DataFrame:
    """The tiles of a photo that hold some of it, a row each.

    Returns:
        Columns `image_id, tile, row_px, col_px, height_px, width_px` (as far as the tile lies in
        the photo), `area_weight` (the share of the valid photo that it stands for), and for each
        target its part in the target's unit, which add up to the prediction, and, of targets in
        grams, `<target>_kg_dm_ha`, whose mean weighted by `area_weight` is the prediction's. Where
        the photo has map coordinates, also `x, y` of the tile's middle in the photo's own CRS.
    """
    lies = photo.area_weight > 0
    row, col, bottom, right = _corners(photo)
    columns: dict[str, Any] = {
        "image_id": photo.image_id,
        "tile": np.flatnonzero(lies),
        "row_px": row,
        "col_px": col,
        "height_px": bottom - row,
        "width_px": right - col,
        "area_weight": photo.area_weight[lies],
    }
    for target in photo.targets:
        columns[target] = photo.tiles.parts[target][lies]
        density, unit = photo.densities(target)
        if unit == "kg DM/ha":
            columns[f"{target}_kg_dm_ha"] = density[lies]
    if photo.georeference is not None:
        middle = np.stack([(col + right) / 2, (row + bottom) / 2], axis=-1)
        columns["x"], columns["y"] = photo.georeference.at(middle).T
    return pd.DataFrame(columns)


def geojson(photo: PhotoMap) -> str:
    """The tiles as GeoJSON polygons, with the columns of `tile_table` as properties.

    GeoJSON knows WGS 84 only, so map coordinates are reprojected. A plain photo has no place on
    Earth: its polygons are in pixels, and the member `coordinates` says so.
    """
    row, col, bottom, right = (side.astype(float) for side in _corners(photo))
    # Against the clock as a map shows it, which is what RFC 7946 asks of an outer ring.
    corners = [(col, bottom), (right, bottom), (right, row), (col, row), (col, bottom)]
    rings = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    place = photo.georeference
    if place is not None:
        rings = np.round(place.longitude_latitude(rings), _DEGREE_DIGITS)
        rings = np.where(_clockwise(rings)[:, None, None], rings[:, ::-1], rings)
    rows = tile_table(photo).to_dict("records")
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": properties,
        }
        for ring, properties in zip(rings.tolist(), rows, strict=True)
    ]
    whole = {
        "type": "FeatureCollection",
        "coordinates": _PIXELS if place is None else _WGS84,
        "crs_of_x_and_y": None if place is None else place.crs,
        "kind": photo.tiles.kind,
        "units": dict(photo.tiles.units),
        "prediction": {name: photo.tile_map(name).total for name in photo.targets},
        "features": features,
    }
    return json.dumps(whole)


def _corners(photo: PhotoMap) -> tuple[Counts, Counts, Counts, Counts]:
    """First and last row and column of each tile that holds some of the photo, within it."""
    row, col, height, width = photo.tiles.boxes[photo.area_weight > 0].T
    bottom, right = photo.size_px
    return row, col, np.minimum(row + height, bottom), np.minimum(col + width, right)


def _clockwise(rings: NDArray[np.float64]) -> NDArray[np.bool_]:
    x, y = rings[..., 0], rings[..., 1]
    twice = (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1)
    return np.asarray(twice < 0)
