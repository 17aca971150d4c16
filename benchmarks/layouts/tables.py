"""Zarr, Parquet and safetensors."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layouts.contents import Bags, Layout, OnBag, Reader


class ZarrReader(Reader):
    """Chunks of an open array."""

    def __init__(self, folder: Path) -> None:
        import zarr  # noqa: PLC0415  # a second to load

        self._array = zarr.open_array(str(folder / "bags.zarr"), mode="r")

    def bag(self, index: int) -> NDArray[Any]:
        """One chunk."""
        return np.asarray(self._array[index])


class Zarr(Layout):
    """A chunk a bag, uncompressed."""

    name = "zarr, a chunk a bag"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Bag by bag."""
        import zarr  # noqa: PLC0415  # as above

        shape = (len(bags), bags.n_rows, bags.width)
        array = zarr.create_array(
            str(folder / "bags.zarr"),
            shape=shape,
            chunks=(1, *shape[1:]),
            dtype=bags.dtype,
            compressors=None,
            fill_value=0,
        )
        for index, bag in enumerate(bags):
            array[index] = bag
            on_bag(index)

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Open the array."""
        return ZarrReader(folder)

    def append(self, folder: Path, bags: Bags) -> None:
        """Make it longer."""
        import zarr  # noqa: PLC0415  # as above

        array = zarr.open_array(str(folder / "bags.zarr"), mode="r+")
        array.resize((len(bags), bags.n_rows, bags.width))
        array[len(bags) - 1] = bags[len(bags) - 1]


class ParquetReader(Reader):
    """Row groups of an open file, and of those that were added."""

    def __init__(self, folder: Path, width: int) -> None:
        self._width = width
        files = [pq.ParquetFile(path) for path in sorted(folder.glob("*.parquet"))]
        self._groups = [(file, group) for file in files for group in range(file.num_row_groups)]

    def bag(self, index: int) -> NDArray[Any]:
        """One row group."""
        file, group = self._groups[index]
        lists = file.read_row_group(group, columns=["features"])["features"].combine_chunks()
        return np.asarray(lists.flatten().to_numpy(zero_copy_only=False)).reshape(-1, self._width)

    def close(self) -> None:
        """Close the files."""
        for file in {id(file): file for file, _ in self._groups}.values():
            file.close()


class Parquet(Layout):
    """A row group a bag, uncompressed."""

    name = "Parquet, a row group a bag"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """Bag by bag."""
        self._put(folder / "000000.parquet", bags, range(len(bags)), on_bag)

    def open(self, folder: Path, bags: Bags) -> Reader:
        """Open the files."""
        return ParquetReader(folder, bags.width)

    def append(self, folder: Path, bags: Bags) -> None:
        """One more file: one that is there cannot be written to."""
        last = len(bags) - 1
        self._put(folder / f"{last:06d}.parquet", bags, range(last, last + 1), lambda _: None)

    @staticmethod
    def _put(path: Path, bags: Bags, which: range, on_bag: OnBag) -> None:
        number = pa.float16() if bags.dtype == "float16" else pa.float32()
        schema = pa.schema([("features", pa.list_(number, bags.width))])
        with pq.ParquetWriter(path, schema, compression="NONE", use_dictionary=False) as table:
            for index in which:
                rows = pa.FixedSizeListArray.from_arrays(
                    pa.array(bags[index].reshape(-1)), bags.width
                ).cast(schema.field("features").type)
                table.write_batch(pa.RecordBatch.from_arrays([rows], schema=schema))
                on_bag(index)


class TensorReader(Reader):
    """Tensors of an open file."""

    def __init__(self, path: Path) -> None:
        from safetensors import safe_open  # noqa: PLC0415  # beside its like

        self._file = safe_open(str(path), framework="np")

    def bag(self, index: int) -> NDArray[Any]:
        """One tensor."""
        return np.asarray(self._file.get_tensor(str(index)))


class Safetensors(Layout):
    """A tensor a bag, written whole."""

    name = "safetensors, a tensor a bag"
    metadata = "inside"

    def write(self, folder: Path, bags: Bags, on_bag: OnBag) -> None:
        """All at once: the library cannot do otherwise."""
        from safetensors.numpy import save_file  # noqa: PLC0415  # as above

        held = {}
        for index, bag in enumerate(bags):
            held[str(index)] = bag
            on_bag(index)
        save_file(held, str(folder / "bags.safetensors"), metadata={"n_bags": str(len(bags))})

    def open(self, folder: Path, _bags: Bags) -> Reader:
        """Open the file."""
        return TensorReader(folder / "bags.safetensors")

    def append(self, folder: Path, bags: Bags) -> None:
        """All of it is written anew."""
        self.write(folder, bags, lambda _: None)
