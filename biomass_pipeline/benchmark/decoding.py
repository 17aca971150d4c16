"""From a JPEG's bytes to its tiles: how long, and how much memory on top.

Memory is the resident peak of a fresh process: decoders take theirs from C, where Python's own
counters do not look. Run as a program this module is that process.
"""

import json
import os
import resource
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.benchmark.pictures import write_pictures
from biomass_pipeline.benchmark.plan import Plan
from biomass_pipeline.benchmark.records import DecodeRate
from biomass_pipeline.benchmark.timing import fastest
from biomass_pipeline.config import TilingConfig
from biomass_pipeline.imaging import ReadLimits, read_tiles
from biomass_pipeline.tiling import tile_grid

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_WARM_PX = (64, 64)


def decode_rate(plan: Plan, folder: Path) -> DecodeRate:
    """Decode and tile one photo of the plan's size.

    Args:
        plan: The photo's size and how it is cut.
        folder: For the photo.
    """
    tiling, (height_px, width_px) = plan.config.tiling, plan.photo_px
    table = write_pictures(folder, [plan.photo_px, _WARM_PX]).table
    photo, small = (folder / name for name in table["path"])
    data, coords = photo.read_bytes(), tile_coords(plan.photo_px, tiling)
    limits = _limits(plan)
    took = fastest(
        {"decode": lambda: cut(data, coords, tiling.tile_px, limits)}, effort=plan.effort
    )
    return DecodeRate(
        height_px,
        width_px,
        n_tiles=len(coords),
        seconds=took["decode"],
        extra_bytes=extra_bytes(small, photo, tiling),
    )


def cut_picture(plan: Plan, folder: Path) -> NDArray[np.uint8]:
    """The tiles of one photo of the plan's size, shape (tile, side, side, 3)."""
    pictures = write_pictures(folder, [plan.photo_px])
    data = (folder / pictures.table["path"].iloc[0]).read_bytes()
    tiling = plan.config.tiling
    return cut(data, tile_coords(plan.photo_px, tiling), tiling.tile_px, _limits(plan))


def tile_coords(size_px: tuple[int, int], tiling: TilingConfig) -> NDArray[np.int32]:
    """The (row_px, col_px) of the tiles of a photo of some (height, width)."""
    grid = tile_grid(*size_px, tiling)
    return np.stack([grid.row_px, grid.col_px], axis=1)


def cut(
    data: bytes, coords: NDArray[np.int32], tile_px: int, limits: ReadLimits
) -> NDArray[np.uint8]:
    """All tiles of a photo, shape (tile, side, side, 3), as the pipeline gets them."""
    chunks = [
        pixels for _, pixels in read_tiles(BytesIO(data), coords, tile_px=tile_px, limits=limits)
    ]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _limits(plan: Plan) -> ReadLimits:
    config = plan.config
    return ReadLimits(config.data.max_pixels, config.imaging.stream_above_px)


def extra_bytes(small: Path, photo: Path, tiling: TilingConfig) -> int | None:
    """How far decoding a photo raises a fresh process's peak, a small one decoded before.

    None where such a process cannot run.
    """
    command = [sys.executable, "-m", __name__, str(small), str(photo), tiling.model_dump_json()]
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603  # this very module
            command, env=variables, capture_output=True, text=True, check=True, timeout=120
        )
    except (OSError, subprocess.SubprocessError):
        return None
    extra: int = json.loads(done.stdout)
    return extra


def peak_bytes() -> int:
    """The highest resident memory of this process so far, or since Linux was told to forget it."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _measure(small: Path, photo: Path, tiling: TilingConfig) -> int:
    """How far decoding a photo raises the peak, after a small photo has loaded the libraries."""
    limits = ReadLimits(max_pixels=10**9, stream_above_px=10**9)
    cut(small.read_bytes(), tile_coords(_WARM_PX, tiling)[:1], tiling.tile_px, limits)
    data = photo.read_bytes()
    size_px = _size_px(photo)
    coords = tile_coords(size_px, tiling)
    if _CLEAR.exists():
        _CLEAR.write_text(_RESET_PEAK, encoding="utf-8")
    before = peak_bytes()
    tiles = cut(data, coords, tiling.tile_px, limits)
    extra = peak_bytes() - before
    return extra if len(tiles) else 0


def _size_px(photo: Path) -> tuple[int, int]:
    from PIL import Image  # noqa: PLC0415  # of this program only

    with Image.open(photo) as image:
        return image.height, image.width


if __name__ == "__main__":
    paths, spec = sys.argv[1:3], TilingConfig.model_validate_json(sys.argv[3])
    sys.stdout.write(json.dumps(_measure(Path(paths[0]), Path(paths[1]), spec)))
