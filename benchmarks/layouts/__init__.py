"""Ways to keep bags of features on disk, side by side: each writes, reads and appends."""

from layouts.archives import Lmdb, WebDataset
from layouts.contents import Bags, Layout, Reader
from layouts.files import MemoryMap, NpyFiles, PtFiles
from layouts.hdf5 import BagChunks, GzipGroups, SwmrAppend
from layouts.ours import InMemory, Mapped, ThroughH5py
from layouts.tables import Parquet, Safetensors, Zarr

__all__ = ["LAYOUTS", "Bags", "Layout", "Mapped", "MemoryMap", "Reader"]

# In the order of the table.
LAYOUTS: tuple[Layout, ...] = (
    Mapped(),
    ThroughH5py(),
    InMemory(),
    BagChunks(),
    GzipGroups(),
    SwmrAppend(),
    NpyFiles(),
    PtFiles(),
    WebDataset(),
    Lmdb(),
    Zarr(),
    Parquet(),
    Safetensors(),
    MemoryMap(),
)
