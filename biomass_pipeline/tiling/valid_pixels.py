"""How much of any part of a photo is valid, counted once."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.manifest import Picture
from biomass_pipeline.tiling.overlap import before_corner
from biomass_pipeline.tiling.validity import count_valid

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ValidPixels:
    """The valid pixels between the edges of a photo.

    Attributes:
        row_edges: Shape (row edge,), rising, from 0 to the height.
        col_edges: Shape (col edge,), rising, from 0 to the width.
        before: Shape (row edge, col edge), the valid pixels above and left of each crossing.
    """

    row_edges: Counts
    col_edges: Counts
    before: Counts

    @classmethod
    def of(cls, picture: Picture, row_edges: Counts, col_edges: Counts) -> Self:
        """Count them in one pass over a picture's bands.

        Args:
            picture: Its bands say which pixels are valid.
            row_edges: Of the upright photo.
            col_edges: Of the upright photo.
        """
        counts = count_valid(picture, row_edges, col_edges)
        return cls(row_edges, col_edges, before_corner(counts).astype(np.int64))

    @property
    def n_px(self) -> int:
        """All of them."""
        return int(self.before[-1, -1])

    def between(self, row_edges: Counts, col_edges: Counts) -> Counts:
        """The valid pixels between some of the edges, shape (row, col).

        Raises:
            ValueError: One of them was not counted at.
        """
        at = self.before[
            np.ix_(_among(self.row_edges, row_edges), _among(self.col_edges, col_edges))
        ]
        return np.diff(np.diff(at, axis=0), axis=1)


def _among(edges: Counts, wanted: Counts) -> NDArray[np.intp]:
    place = np.searchsorted(edges, wanted)
    if (edges[np.minimum(place, len(edges) - 1)] != wanted).any():
        msg = "valid pixels were not counted at these edges"
        raise ValueError(msg)
    return place
