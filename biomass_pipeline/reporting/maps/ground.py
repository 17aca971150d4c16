"""What a photo's pixels are on the ground: from amounts a photo to kilograms a hectare."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_KG_A_HA = 10.0  # of a gram a square metre


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
