"""How features are often extracted, to be timed beside our pipeline on the same photos.

`naive` is the first script that everybody writes; `peer` is the shape of published tools: a data
loader for each image, autocast, a file for each image. On a CPU each runs in a process of its own,
because ours changes how its process uses memory.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PEER_BATCH = {"cpu": 4, "cuda": 64}
PEER_WORKERS = 2


def naive(
    photos: dict[Path, NDArray[np.int32]],
    network: nn.Module,
    *,
    tile_px: int,
    device: str,
    output: Path,
) -> None:
    """Pillow, the whole photo as float32, one batch an image, a gzip group an image, in a row.

    Args:
        photos: Each photo's tile corners, shape (tile, 2).
        network: In float32 on the device.
        tile_px: Side of a tile.
        device: Where it runs.
        output: The HDF5 file to write.
    """
    with h5py.File(output, "w") as file:
        for path, coords in photos.items():
            image = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255.0
            image = (image - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
            tiles = [image[row : row + tile_px, col : col + tile_px] for row, col in coords]
            batch = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).contiguous()
            with torch.no_grad():
                rows = network(batch.to(device)).cpu().numpy()
            group = file.create_group(path.stem)
            group.create_dataset("features", data=rows, compression="gzip")
            group.create_dataset("coords", data=coords, compression="gzip")


@contextmanager
def apart(
    way: Callable[..., None],
    photos: dict[Path, NDArray[np.int32]],
    network: nn.Module,
    *,
    tile_px: int,
) -> Iterator[Callable[[Path], None]]:
    """Call a rival on the CPU in a process that has nothing of ours, once for each output.

    Args:
        way: `naive` or `peer`.
        photos: Each photo's tile corners, shape (tile, 2).
        network: In float32.
        tile_px: Side of a tile.
    """
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(
        target=_serve, args=(there, way, photos, network, tile_px), daemon=False
    )
    process.start()
    there.close()

    def call(output: Path) -> None:
        here.send(output)
        here.recv()

    try:
        yield call
    finally:
        here.close()
        process.join()


def _serve(
    asked: Connection,
    way: Callable[..., None],
    photos: dict[Path, NDArray[np.int32]],
    network: nn.Module,
    tile_px: int,
) -> None:
    while True:
        try:
            output = asked.recv()
        except EOFError:
            return
        way(photos, network, tile_px=tile_px, device="cpu", output=output)
        asked.send(output)


class ImageTiles(Dataset[Tensor]):
    """The tiles of one photo, normalised one by one by the loader's workers."""

    def __init__(self, path: Path, coords: NDArray[np.int32], tile_px: int) -> None:
        self._path, self._coords, self._tile_px = path, coords, tile_px
        self._image: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self._coords)

    def __getitem__(self, index: int) -> Tensor:
        if self._image is None:
            self._image = np.asarray(Image.open(self._path).convert("RGB"))
        row, col = self._coords[index]
        tile = self._image[row : row + self._tile_px, col : col + self._tile_px]
        pixels = torch.from_numpy(tile.copy()).permute(2, 0, 1).float() / 255
        return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def peer(
    photos: dict[Path, NDArray[np.int32]],
    network: nn.Module,
    *,
    tile_px: int,
    device: str,
    output: Path,
) -> None:
    """A data loader an image with workers, autocast to bf16, one file an image, in a row.

    Args:
        photos: Each photo's tile corners, shape (tile, 2).
        network: In float32 on the device.
        tile_px: Side of a tile.
        device: Where it runs.
        output: The folder of HDF5 files to write.
    """
    output.mkdir(parents=True, exist_ok=True)
    for path, coords in photos.items():
        rows = np.concatenate(list(_peer_rows(path, coords, network, tile_px, device)))
        with h5py.File(output / f"{path.stem}.h5", "w") as file:
            file.create_dataset("features", data=rows)
            file.create_dataset("coords", data=coords)


def _peer_rows(
    path: Path, coords: NDArray[np.int32], network: nn.Module, tile_px: int, device: str
) -> Iterator[NDArray[np.float32]]:
    kind = torch.device(device).type
    loader = DataLoader(
        ImageTiles(path, coords, tile_px),
        batch_size=PEER_BATCH[kind],
        num_workers=PEER_WORKERS,
        pin_memory=kind == "cuda",
    )
    for batch in loader:
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16):
            rows = network(batch.to(device, non_blocking=True))
        yield rows.float().cpu().numpy()
