"""Our own: one flat, contiguous, stamped HDF5 file, written by the product itself."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import MissingCacheError
from biomass_pipeline.features import Block
from biomass_pipeline.layout import Layout as Places
from biomass_pipeline.store import FeatureFolder, FeatureSet, FoldContents, Stamp, open_partial
from biomass_pipeline.store.schema import opened
from layouts.contents import Bags, Layout, OnBag, Reader

_FINGERPRINT = "b" * 16


@dataclass(frozen=True)
class Given:
    """An embedder whose rows are there already."""

    bags: Bags
    on_bag: OnBag

    def feature_dim(self) -> int:
        """The width of a row."""
        return self.bags.width

    def notes(self) -> Mapping[str, str]:
        """Nothing to add."""
        return {}

    def embed(self, wanted: Mapping[int, NDArray[np.int64]]) -> Generator[Block]:
        """Yield each photo's rows; one is written when the next is asked for."""
        for photo, tiles in wanted.items():
            yield Block(photo, tiles, self.bags[photo][tiles])
            self.on_bag(photo)


class Mapped(Layout):
    """Memory-mapped, as training reads a fold that does not fit into memory."""

    name = "HDF5, flat, contiguous (ours), mapped"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """By the store: checked rows, preallocated, published whole."""
        places = FeatureFolder(Places(folder))
        places.write(0, contents_of(bags), stamp=_stamp(bags), embedder=Given(bags, on_bag))

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """The published file; what a killed writer left is looked at as a partial one."""
        places = FeatureFolder(Places(folder))
        try:
            return Held(places.open(0, _FINGERPRINT).memory_map())
        except MissingCacheError:
            return Unfinished(final_of(folder).with_suffix(".h5.partial"))

    def append(self, folder: Path, bags: Bags) -> None:
        """A fold that grew is written anew; its rows are copied."""
        self.write(folder, bags, lambda _: None)


class ThroughH5py(Mapped):
    """The same file, each bag by a slice of h5py, opened once."""

    name = "HDF5, flat, contiguous (ours), h5py"
    written = False

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Open the file."""
        return Sliced(final_of(folder))


class InMemory(Mapped):
    """The same file read whole first, as training reads a fold that fits."""

    name = "HDF5, flat, contiguous (ours), loaded"
    written = False

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Read the file."""
        return Held(FeatureFolder(Places(folder)).open(0, _FINGERPRINT).load())


@dataclass(frozen=True)
class Held(Reader):
    """Bags of features that are mapped or in memory."""

    features: FeatureSet

    def bag(self, index: int) -> NDArray[Any]:
        """A copy."""
        return np.array(self.features.bag(index))


class Sliced(Reader):
    """Bags by slices of an open file."""

    def __init__(self, path: Path) -> None:
        self._opened = opened(path, _FINGERPRINT)
        self._file = self._opened.__enter__()
        self._offsets = self._file["offsets"][...].tolist()
        self._features = self._file["features"]

    def bag(self, index: int) -> NDArray[Any]:
        """One slice."""
        return np.asarray(self._features[self._offsets[index] : self._offsets[index + 1]])

    def close(self) -> None:
        """Close the file."""
        self._opened.__exit__(None, None, None)


class Unfinished(Reader):
    """What a killed writer left; bags that are not complete are refused."""

    def __init__(self, path: Path) -> None:
        self._opened = open_partial(path, _FINGERPRINT)
        self._view = self._opened.__enter__()

    def bag(self, index: int) -> NDArray[Any]:
        """One complete bag."""
        return self._view.bag(index)

    def close(self) -> None:
        """Close the file."""
        self._opened.__exit__(None, None, None)


def contents_of(bags: Bags) -> FoldContents:
    """A fold of photos that are nowhere."""
    names = tuple(f"photo_{number:06d}" for number in range(len(bags)))
    rows = np.arange(len(bags) * bags.n_rows, dtype=np.int32)
    coords = np.stack([rows % bags.n_rows, rows * 0], axis=1).astype(np.int32)
    offsets = np.arange(len(bags) + 1, dtype=np.int64) * bags.n_rows
    weight = np.full(len(rows), 1 / bags.n_rows, np.float32)
    return FoldContents(names, names, names, offsets, coords, weight, coords)


def final_of(folder: Path) -> Path:
    """Where the fold's file is."""
    return Places(folder).feature_cache(_FINGERPRINT, 0)


def _stamp(bags: Bags) -> Stamp:
    return Stamp(_FINGERPRINT, "benchmark", "", 8, 8, "cls", "last", 0, bags.dtype)
