"""WebDataset's tar shards, and LMDB."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

from layouts.contents import Bags, Layout, OnBag, Reader

_SHARD_BAGS, _BUFFER_BAGS = 500, 1000


class ShardReader(Reader):
    """Shards read along; an epoch takes them in another order, and bags out of a buffer."""

    def __init__(self, folder: Path) -> None:
        self._shards = sorted(folder.glob("*.tar"))

    def bag(self, index: int) -> NDArray[Any]:
        """A bag can only be come to past all before it."""
        for place, bag in enumerate(self._bags(self._shards)):
            if place == index:
                return bag
        raise IndexError(index)

    def run(self, _order: Sequence[int]) -> Iterator[NDArray[Any]]:
        """As they come."""
        return self._bags(self._shards)

    def shuffled(self, order: Sequence[int]) -> Iterator[NDArray[Any]]:
        """By the library's own buffer."""
        import webdataset  # noqa: PLC0415  # it loads torch

        shards = np.random.default_rng(len(order)).permutation(len(self._shards))
        along = self._bags([self._shards[place] for place in shards])
        return iter(webdataset.shuffle(_BUFFER_BAGS, seed=0)(along))

    @staticmethod
    def _bags(shards: Sequence[Path]) -> Iterator[NDArray[Any]]:
        from webdataset.tariterators import group_by_keys, tar_file_expander  # noqa: PLC0415  # as above

        for shard in shards:
            # Opened here, since the library leaves closing to chance.
            with shard.open("rb") as stream:
                for sample in group_by_keys(tar_file_expander([{"url": "", "stream": stream}])):
                    yield np.asarray(np.load(BytesIO(sample["npy"])))


class WebDataset(Layout):
    """Tar shards of 500 bags."""

    name = "WebDataset"
    metadata = "inside"
    at_random = False

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Shard by shard."""
        for first in range(0, len(bags), _SHARD_BAGS):
            self._shard(folder, bags, range(first, min(first + _SHARD_BAGS, len(bags))), on_bag)

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Nothing is opened yet."""
        return ShardReader(folder)

    def append(self, folder: Path, bags: Bags) -> None:
        """One more shard: one that is there cannot be written to."""
        self._shard(folder, bags, range(len(bags) - 1, len(bags)), lambda _: None)

    @staticmethod
    def _shard(folder: Path, bags: Bags, which: range, on_bag: OnBag) -> None:
        import webdataset  # noqa: PLC0415  # it loads torch

        path = folder / f"{which.start:06d}.tar"
        with path.open("wb", buffering=0) as stream, webdataset.TarWriter(stream) as tar:
            for index in which:
                tar.write({"__key__": f"{index:06d}", "npy": bags[index]})
                on_bag(index)


class LmdbReader(Reader):
    """Entries of an open file."""

    def __init__(self, path: Path, bags: Bags) -> None:
        self._environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
        self._entries = self._environment.begin(buffers=True)
        self._bags = bags

    def bag(self, index: int) -> NDArray[Any]:
        """One entry, copied."""
        data = self._entries.get(f"{index:06d}".encode())
        if data is None:
            raise IndexError(index)
        return np.frombuffer(data, self._bags.dtype).reshape(-1, self._bags.width).copy()

    def close(self) -> None:
        """Close the file."""
        self._entries.abort()
        self._environment.close()


class Lmdb(Layout):
    """An entry a bag, in one transaction."""

    name = "LMDB"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Bag by bag."""
        self._put(folder, bags, range(len(bags)), on_bag)

    def open(self, folder: Path, bags: Bags) -> Reader:
        """Open the file."""
        return LmdbReader(folder / "bags.lmdb", bags)

    def append(self, folder: Path, bags: Bags) -> None:
        """One more entry."""
        self._put(folder, bags, range(len(bags) - 1, len(bags)), lambda _: None)

    @staticmethod
    def _put(folder: Path, bags: Bags, which: range, on_bag: OnBag) -> None:
        room = 2 * bags.n_bytes + 8192 * len(bags) + 2**24
        path = str(folder / "bags.lmdb")
        environment = lmdb.open(path, subdir=False, lock=False, map_size=room)
        try:
            with environment.begin(write=True) as entries:
                for index in which:
                    entries.put(f"{index:06d}".encode(), bags[index].data)
                    on_bag(index)
        finally:
            environment.close()
