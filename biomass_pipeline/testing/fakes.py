"""Fakes that compute something a test can check by eye."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.features import Engine, embed_here

TILE_PX = 16


class MeanColourBackbone:
    """Embeds a tile as its mean colour: three numbers in 0..255, red, green and blue."""

    name = "mean-colour"
    feature_dim = 3
    tile_px = TILE_PX
    weights_sha256 = ""
    precision = "fp32"
    batch_size = 4

    def __init__(self, identity: Mapping[str, str] | None = None) -> None:
        self.identity = dict(identity or {"name": self.name})

    def embed(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Tiles of shape (tile, side, side, 3) to rows of shape (tile, 3)."""
        return np.asarray(tiles.mean(axis=(1, 2), dtype=np.float32))


@dataclass
class CountingBackbone:
    """Gives the mean-colour backbone where the graph asks for one, and counts what it embeds.

    Attributes:
        n_tiles: Tiles embedded so far.
        version: Another one is another backbone: every photo is embedded again.
        fails_on_blue: A tile with a pixel of this blue cannot be embedded; -1: none.
    """

    n_tiles: int = 0
    version: str = "1"
    fails_on_blue: int = -1

    def identity(self) -> Mapping[str, str]:
        """What decides its output."""
        return {"name": MeanColourBackbone.name, "version": self.version}

    def build(self) -> list[MeanColourBackbone]:
        """One lane."""
        return [_Counted(self)]

    def engine(self) -> Engine:
        """This machine."""
        return embed_here


class _Counted(MeanColourBackbone):
    """Tells a counter what it embeds."""

    def __init__(self, counter: CountingBackbone) -> None:
        super().__init__(counter.identity())
        self._counter = counter

    def embed(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        if (tiles[..., 2] == self._counter.fails_on_blue).any():
            msg = "no memory left on the device"
            raise RuntimeError(msg)
        self._counter.n_tiles += len(tiles)
        return super().embed(tiles)


@dataclass
class FixedClock:
    """A clock that stands still until it is moved.

    >>> clock = FixedClock(5.0)
    >>> clock.forward(2.5)
    >>> clock()
    7.5
    """

    now_s: float = 0.0

    def __call__(self) -> float:
        """Seconds, as `time.monotonic` or `time.time` give them."""
        return self.now_s

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds
