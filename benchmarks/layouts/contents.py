"""What is kept, and what a layout must be able to do with it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Told the number of each bag that the writer is done with.
OnBag = Callable[[int], None]
# As many bags differ from each other.
_STARTS = 4096


@dataclass(frozen=True)
class Bags:
    """Bags of one size, made up when they are asked for, the same every time.

    Noise: of real features gzip saves 1 to 8 % as well.
    """

    n_bags: int
    n_rows: int
    width: int
    dtype: str

    def __getitem__(self, index: int) -> NDArray[Any]:
        """One bag, shape (row, feature): a view, so that making it up takes no time."""
        start = index * 7919 % _STARTS
        return self._block()[start : start + self.n_rows]

    def __len__(self) -> int:
        return self.n_bags

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(self.n_bags))

    def one_more(self) -> "Bags":
        """The same with a bag behind the last."""
        return Bags(self.n_bags + 1, self.n_rows, self.width, self.dtype)

    @property
    def n_bytes(self) -> int:
        """Of the numbers alone."""
        return self.n_bags * self.n_rows * self.width * np.dtype(self.dtype).itemsize

    def _block(self) -> NDArray[Any]:
        key = (self.n_rows, self.width, self.dtype)
        if key not in _BLOCKS:
            chance = np.random.default_rng(0)
            shape = (_STARTS + self.n_rows, self.width)
            numbers = chance.standard_normal(shape, dtype=np.float32)
            _BLOCKS.clear()
            _BLOCKS[key] = numbers.astype(self.dtype)
        return _BLOCKS[key]


_BLOCKS: dict[tuple[int, int, str], NDArray[Any]] = {}


class Reader(ABC):
    """An open store. What it gives is in memory: pages that were not read do not count."""

    @abstractmethod
    def bag(self, index: int) -> NDArray[Any]:
        """One bag, wherever it lies."""

    def run(self, order: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Bags in an order; a store that can only be read along gives them as they come."""
        return (self.bag(index) for index in order)

    def shuffled(self, order: Sequence[int]) -> Iterator[NDArray[Any]]:
        """All bags as an epoch of training asks for them."""
        return self.run(order)

    def close(self) -> None:  # noqa: B027  # most have nothing to close
        """Let go of files."""


class Layout(ABC):
    """One way to keep bags below a folder.

    Attributes:
        name: In the table.
        metadata: Where ids, offsets and the stamp of what made them can be kept.
        at_random: Whether a bag can be read without those before it.
        written: Whether it has a way of its own to be written; else it is another one's files.
    """

    name: str
    metadata: str
    at_random: bool = True
    written: bool = True

    @abstractmethod
    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Write all bags, one after another."""

    @abstractmethod
    def open(self, folder: Path, bags: Bags) -> Reader:
        """Open what was written, or what a killed writer left."""

    @abstractmethod
    def append(self, folder: Path, bags: Bags) -> None:
        """Add a bag behind the last; the bags are those with it."""


def ignore(_: int) -> None:
    """Nobody is told."""
