"""The weights-free backbone of colour, vegetation-index and texture statistics."""

from collections.abc import Mapping
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.features.backbone import TILES_A_THREAD, Features, Tiles, embed_each
from biomass_pipeline.features.colour import describe_colour, vegetation_indices
from biomass_pipeline.features.parting import describe_parting
from biomass_pipeline.features.texture import describe_texture

NAME = "colour-texture"
# Raise with any change to a number that the backbone gives.
VERSION = "2"


class ColourTexture:
    """Embeds a tile as hand-made statistics: no download, and each number has a name."""

    name = NAME
    weights_sha256 = ""
    precision = ""

    def __init__(self, tile_px: int, *, threads: int = 1) -> None:
        self.tile_px = tile_px
        self._threads = threads
        self.batch_size = TILES_A_THREAD * threads

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides the output."""
        return identity()

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """What each column of `embed` means."""
        blank = np.zeros((8, 8, 3), np.uint8)
        return tuple(_describe(blank))

    @property
    def feature_dim(self) -> int:
        """The width of a row."""
        return len(self.feature_names)

    def embed(self, tiles: Tiles) -> Features:
        """Describe tiles of shape (tile, side, side, 3) in rows of shape (tile, feature)."""
        return embed_each(tiles, _row, feature_dim=self.feature_dim, threads=self._threads)


def identity() -> dict[str, str]:
    """What decides the output: the formulas' version and the library that computes them."""
    return {
        "name": NAME,
        "version": VERSION,
        "weights": "none",
        "weights_sha256": "",
        "input": "uint8 RGB",
        "opencv": cv2.__version__,
    }


def _row(tile: NDArray[np.uint8]) -> Features:
    return np.fromiter(_describe(tile).values(), np.float32)


def _describe(tile: NDArray[np.uint8]) -> dict[str, float]:
    indices = vegetation_indices(tile)
    return {
        **dict(describe_colour(tile, indices)),
        **dict(describe_texture(tile, indices["exg"])),
        **dict(describe_parting(tile, indices)),
    }
