"""What goes into an aggregator and what comes out. Types only."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Pooled:
    """What an aggregator makes of bags.

    Attributes:
        outputs: Shape (bag, output), >= 0, in units of the outputs' training means.
        embedding: Shape (bag, hidden), for what else is estimated of a photo.
        shares: Shape (bag, tile, output), >= 0: each tile's part of `outputs`, to which they add
            up over tiles; exactly 0 where padded.
    """

    outputs: Tensor
    embedding: Tensor
    shares: Tensor


@dataclass(frozen=True)
class Summary:
    """What a pool makes of bags, before a head is asked.

    Attributes:
        embedding: Shape (bag, hidden).
        weight: Shape (bag, tile), float32, >= 0: how much of the embedding each tile is behind;
            sums to 1 over a bag's tiles, exactly 0 where padded.
    """

    embedding: Tensor
    weight: Tensor


class Aggregator(Protocol):
    """Tiles to photo: neither the order of tiles nor padding changes what comes out."""

    def __call__(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Pooled:
        """Aggregate bags.

        Args:
            hidden: Shape (bag, tile, hidden), finite everywhere.
            mask: Shape (bag, tile), bool; True where there is a tile.
            area_weight: Shape (bag, tile); sums to 1 over a bag's tiles.

        Raises:
            EmptyBagError: A bag is padding only.
        """


class Pool(Protocol):
    """The part of an aggregator that looks at tiles. It may trust that each bag has one."""

    def __call__(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:
        """Summarise bags; arguments as in `Aggregator`."""
