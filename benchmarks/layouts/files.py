"""A file an image, and one plain file for all."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layouts.contents import Bags, Layout, OnBag, Reader


class NpyReader(Reader):
    """Opens a file a bag."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def bag(self, index: int) -> NDArray[Any]:
        """One file."""
        return np.asarray(np.load(self._folder / f"{index}.npy"))


class NpyFiles(Layout):
    """A `.npy` an image."""

    name = "`.npy` an image"
    metadata = "beside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """File by file."""
        for index, bag in enumerate(bags):
            np.save(folder / f"{index}.npy", bag)
            on_bag(index)

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Nothing is opened yet."""
        return NpyReader(folder)

    def append(self, folder: Path, bags: Bags) -> None:
        """One more file."""
        np.save(folder / f"{len(bags) - 1}.npy", bags[len(bags) - 1])


class PtReader(Reader):
    """Opens a file a bag."""

    def __init__(self, folder: Path) -> None:
        import torch  # noqa: PLC0415  # only those who read need it

        self._folder, self._load = folder, torch.load

    def bag(self, index: int) -> NDArray[Any]:
        """One file, as data."""
        import torch  # noqa: PLC0415  # as above

        return np.asarray(torch.load(self._folder / f"{index}.pt", weights_only=True).numpy())


class PtFiles(Layout):
    """A `.pt` an image, read as data."""

    name = "`.pt` an image"
    metadata = "beside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """File by file."""
        import torch  # noqa: PLC0415  # only those who write need it

        for index, bag in enumerate(bags):
            torch.save(torch.from_numpy(bag), folder / f"{index}.pt")
            on_bag(index)

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Nothing is opened yet."""
        return PtReader(folder)

    def append(self, folder: Path, bags: Bags) -> None:
        """One more file."""
        import torch  # noqa: PLC0415  # as above

        torch.save(torch.from_numpy(bags[len(bags) - 1]), folder / f"{len(bags) - 1}.pt")


class MapReader(Reader):
    """Slices of a mapped file."""

    def __init__(self, path: Path, bags: Bags) -> None:
        rows = np.memmap(path, bags.dtype, mode="r")
        self._rows, self._step = rows.reshape(-1, bags.width), bags.n_rows

    def bag(self, index: int) -> NDArray[Any]:
        """A copy."""
        if (index + 1) * self._step > len(self._rows):
            raise IndexError(index)
        return np.array(self._rows[index * self._step : (index + 1) * self._step])


class MemoryMap(Layout):
    """Numbers and nothing else: what a disk can do, and what no other layout can beat."""

    name = "plain memory map"
    metadata = "beside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Bag behind bag."""
        with (folder / "bags.bin").open("wb", buffering=0) as file:
            for index, bag in enumerate(bags):
                file.write(bag.data)
                on_bag(index)

    def open(self, folder: Path, bags: Bags) -> Reader:
        """Map the file."""
        return MapReader(folder / "bags.bin", bags)

    def append(self, folder: Path, bags: Bags) -> None:
        """Behind the last."""
        with (folder / "bags.bin").open("ab", buffering=0) as file:
            file.write(bags[len(bags) - 1].data)
