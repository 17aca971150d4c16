"""What a photo's pixels are on the ground, and where on Earth they lie."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Transform = tuple[float, float, float, float, float, float]

_KG_A_HA = 10.0  # of a gram a square metre
_LONGITUDE_LATITUDE = "EPSG:4326"


@dataclass(frozen=True)
class Georeference:
    """Where on Earth an upright picture lies.

    Attributes:
        crs: The coordinate reference system, such as EPSG:32755 or WKT.
        transform: (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f, at the upper
            left corner of a pixel.
    """

    crs: str
    transform: Transform

    @classmethod
    def read(cls, crs: str, transform: str) -> Self | None:
        """Take over what the manifest says; None unless both are known.

        Args:
            crs: As the manifest has it; empty if unknown.
            transform: Six numbers; empty if unknown.
        """
        if not crs or not transform:
            return None
        a, b, c, d, e, f = map(float, transform.split())
        return cls(crs, (a, b, c, d, e, f))

    def at(self, points_px: Floats) -> Floats:
        """Map coordinates (x, y) of points.

        Args:
            points_px: Shape (..., 2), (col, row).
        """
        a, b, c, d, e, f = self.transform
        found = points_px @ np.array([[a, d], [b, e]]) + np.array([c, f])
        return np.asarray(found, dtype=np.float64)

    def longitude_latitude(self, points_px: Floats) -> Floats:
        """WGS 84 longitude and latitude of points, as GeoJSON wants them.

        Args:
            points_px: Shape (..., 2), (col, row).
        """
        return _moved(self.at(points_px), self.crs, _LONGITUDE_LATITUDE)

    def area_m2(self, height_px: int, width_px: int) -> float:
        """The ground of a picture from its corner, in an equal-area projection around its middle.

        Args:
            height_px: Rows.
            width_px: Columns.
        """
        ring = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], float)
        longitude, latitude = self.longitude_latitude(ring.mean(axis=0, keepdims=True))[0]
        local = f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m"
        x, y = _moved(self.at(ring), self.crs, local).T
        return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


@dataclass(frozen=True)
class Ground:
    """The ground that a prediction speaks of.

    Attributes:
        quadrat_area_m2: The ground of a weighed photo: what a prediction in grams is a mean of.
        px_area_m2: The ground of one pixel, where map coordinates tell; None where the photo shows
            one quadrat.
    """

    quadrat_area_m2: float
    px_area_m2: float | None = None

    @property
    def kg_dm_ha(self) -> float:
        """Kilograms of dry matter a hectare that a gram in the quadrat stands for."""
        return _KG_A_HA / self.quadrat_area_m2

    def share_of_quadrat(self, n_px: float, *, of_px: float) -> float:
        """How many quadrats some pixels are.

        Args:
            n_px: The pixels.
            of_px: All valid pixels of the photo.
        """
        if self.px_area_m2 is None:
            return n_px / of_px
        return n_px * self.px_area_m2 / self.quadrat_area_m2


def _moved(points: Floats, source: str, target: str) -> Floats:
    from rasterio.crs import CRS  # noqa: PLC0415  # maps of plain photos need no GDAL
    from rasterio.warp import transform  # noqa: PLC0415  # as above

    flat = points.reshape(-1, 2)
    found: Any = transform(
        CRS.from_string(source), CRS.from_string(target), flat[:, 0].tolist(), flat[:, 1].tolist()
    )
    return np.stack(found[:2], axis=-1).reshape(points.shape).astype(np.float64)
