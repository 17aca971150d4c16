"""Other ways to lay HDF5 out, each file opened once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from layouts.contents import Bags, Layout, OnBag, Reader


class Opened(Reader):
    """Bags out of an open file."""

    def __init__(self, path: Path, read: Callable[[h5py.File, int], Any], **options: bool) -> None:
        self._file, self._read = h5py.File(path, "r", **options), read

    def bag(self, index: int) -> NDArray[Any]:
        """One bag."""
        return np.asarray(self._read(self._file, index))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class BagChunks(Layout):
    """A chunk a bag, uncompressed, all in one dataset."""

    name = "HDF5, a chunk a bag"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Bag by bag."""
        shape, chunk = (len(bags), bags.n_rows, bags.width), (1, bags.n_rows, bags.width)
        with h5py.File(folder / "bags.h5", "w") as file:
            data = file.create_dataset(
                "features", shape, bags.dtype, chunks=chunk, maxshape=(None, *shape[1:])
            )
            for index, bag in enumerate(bags):
                data[index] = bag
                on_bag(index)

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Open the file."""
        return Opened(folder / "bags.h5", lambda file, index: file["features"][index])

    def append(self, folder: Path, bags: Bags) -> None:
        """Make it longer."""
        with h5py.File(folder / "bags.h5", "r+") as file:
            file["features"].resize(len(bags), axis=0)
            file["features"][len(bags) - 1] = bags[len(bags) - 1]


class GzipGroups(Layout):
    """A group an image, gzip, as many whole-slide pipelines keep it."""

    name = "HDF5, a group an image, gzip"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Bag by bag."""
        with h5py.File(folder / "bags.h5", "w") as file:
            for index, bag in enumerate(bags):
                self._put(file, index, bag)
                on_bag(index)

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Open the file."""
        return Opened(folder / "bags.h5", lambda file, index: file[f"{index}/features"][...])

    def append(self, folder: Path, bags: Bags) -> None:
        """One more group."""
        with h5py.File(folder / "bags.h5", "r+") as file:
            self._put(file, len(bags) - 1, bags[len(bags) - 1])

    @staticmethod
    def _put(file: h5py.File, index: int, bag: NDArray[Any]) -> None:
        file.create_group(str(index)).create_dataset("features", data=bag, compression="gzip")


class SwmrAppend(Layout):
    """One dataset that grows bag by bag, flushed after each, readable meanwhile."""

    name = "HDF5, grown under SWMR"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Bag by bag."""
        shape = (0, bags.n_rows, bags.width)
        with h5py.File(folder / "bags.h5", "w", libver="latest") as file:
            data = file.create_dataset(
                "features",
                shape,
                bags.dtype,
                chunks=(1, *shape[1:]),
                maxshape=(None, *shape[1:]),
            )
            file.swmr_mode = True
            for index, bag in enumerate(bags):
                self._grow(data, index, bag)
                on_bag(index)

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Open the file."""
        return Opened(folder / "bags.h5", lambda file, index: file["features"][index], swmr=True)

    def append(self, folder: Path, bags: Bags) -> None:
        """Make it longer."""
        with h5py.File(folder / "bags.h5", "r+", libver="latest") as file:
            self._grow(file["features"], len(bags) - 1, bags[len(bags) - 1])

    @staticmethod
    def _grow(data: h5py.Dataset, index: int, bag: NDArray[Any]) -> None:
        data.resize(index + 1, axis=0)
        data[index] = bag
        data.flush()
