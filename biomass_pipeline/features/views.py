"""A backbone that sees each tile turned and mirrored: the symmetries of the square.

Where parts of a tile have rows of their own, they are turned back: a cell keeps its place in
every view.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.features.backbone import Backbone, Features, Tiles

Turn = Callable[[NDArray[Any]], NDArray[Any]]


def _turned(quarters: int, *, mirrored: bool) -> tuple[Turn, Turn]:
    """A symmetry of axes 1 and 2, and the one that takes it back."""

    def forth(array: NDArray[Any]) -> NDArray[Any]:
        return np.rot90(array[:, :, ::-1] if mirrored else array, quarters, axes=(1, 2))

    def back(array: NDArray[Any]) -> NDArray[Any]:
        turned = np.rot90(array, -quarters, axes=(1, 2))
        return turned[:, :, ::-1] if mirrored else turned

    return forth, back


# As it is, left-right, up-down (= mirrored and turned by half), both; then the quarter turns.
_FLIPS = [
    _turned(0, mirrored=False),
    _turned(0, mirrored=True),
    _turned(2, mirrored=True),
    _turned(2, mirrored=False),
]
_QUARTERS = [
    _turned(quarters, mirrored=mirrored) for quarters in (1, 3) for mirrored in (False, True)
]
SYMMETRIES = {"flips": _FLIPS, "dihedral": _FLIPS + _QUARTERS}


class Views:
    """Embeds each tile by another backbone, seen in several ways."""

    def __init__(
        self, backbone: Backbone, *, views: str, view_rows: str, cells_per_side: int
    ) -> None:
        """Wrap a backbone.

        Args:
            backbone: Embeds one view.
            views: `flips` or `dihedral`.
            view_rows: `averaged` or `separate`.
            cells_per_side: How many rows of cells a tile has.
        """
        self.name = backbone.name
        self.tile_px = backbone.tile_px
        self.feature_dim = backbone.feature_dim
        self.weights_sha256 = backbone.weights_sha256
        self._backbone = backbone
        self._views, self._view_rows = views, view_rows
        self._cells = cells_per_side

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides the output."""
        return view_identity(self._backbone.identity, self._views, self._view_rows)

    @property
    def batch_size(self) -> int:
        """How many tiles it likes at once."""
        return self._backbone.batch_size

    @property
    def precision(self) -> str:
        """The arithmetic in use."""
        return self._backbone.precision

    def embed(self, tiles: Tiles) -> Features:
        """Embed tiles of shape (tile, side, side, 3).

        Returns:
            Shape (tile * rows a tile, feature): view by view, and within a view cell by cell.
        """
        shape = (len(tiles), self._cells, self._cells, self.feature_dim)
        seen = [
            back(self._backbone.embed(np.ascontiguousarray(forth(tiles))).reshape(shape))
            for forth, back in SYMMETRIES[self._views]
        ]
        if self._view_rows == "averaged":
            return np.mean(seen, axis=0, dtype=np.float32).reshape(-1, self.feature_dim)
        return np.stack(seen, axis=1).reshape(-1, self.feature_dim)


def view_identity(identity: Mapping[str, str], views: str, view_rows: str) -> dict[str, str]:
    """The identity of a backbone that sees tiles in several ways; one way changes nothing."""
    if views == "identity":
        return dict(identity)
    return {**identity, "views": views, "view_rows": view_rows}
