"""Hold the reading of orthomosaics to its limits, as ratios; run it on an idle Linux machine.

Usage: python benchmarks/orthomosaics.py [RESULT.json] [--side 20000]. Each file is written once and
read in processes of their own: the peak memory of its tiles over the limit (300 MB for GeoTIFF,
1 GB for JPEG), pixels decoded over pixels, bytes read over those of the file (libvips maps a JPEG
instead), seconds, and the peak of the manifest's inspection. On a smaller file, the seconds and the
peak of streaming over those of Pillow's whole image.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio import Affine
from rasterio.env import Env

from biomass_pipeline.config import DataConfig, ImagingConfig, TilingConfig
from biomass_pipeline.imaging import ReadLimits, read_tiles
from biomass_pipeline.manifest import inspect_photo, open_photo
from biomass_pipeline.tiling import tile_grid

GEOTIFF_BYTES, JPEG_BYTES = 300e6, 1e9
BLOCK_PX = 512
COMPRESSIONS = ("none", "deflate", "lzw", "jpeg")
# What fits in memory whole, to compare with.
SMALL_SIDE = 8000
CHANNELS = 3


def field(side: int) -> NDArray[np.uint8]:
    """A row of blocks that looks like a field: smooth, with noise."""
    row, col = np.arange(BLOCK_PX)[:, None], np.arange(side)
    waves = 110 + 60 * np.sin(row / 97).astype(np.float32) * np.cos(col / 131).astype(np.float32)
    noise = np.random.default_rng(0).integers(-6, 7, (BLOCK_PX, side, CHANNELS), dtype=np.int8)
    return (waves.astype(np.int16)[..., None] + noise).astype(np.uint8)


def write_geotiff(path: Path, side: int, compression: str) -> None:
    """A tiled GeoTIFF, a row of blocks at a time."""
    options = {"compress": compression, "photometric": "YCBCR" if compression == "jpeg" else "RGB"}
    with (
        Env(GDAL_CACHEMAX=64 * 2**20),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=side,
            width=side,
            count=CHANNELS,
            dtype="uint8",
            tiled=True,
            blockxsize=BLOCK_PX,
            blockysize=BLOCK_PX,
            crs="EPSG:32755",
            transform=Affine(0.01, 0, 6e5, 0, -0.01, 6e6),
            **options,
        ) as raster,
    ):
        block = field(side)
        for start in range(0, side, BLOCK_PX):
            stop = min(start + BLOCK_PX, side)
            piece = np.roll(block, start, axis=1)[: stop - start].transpose(2, 0, 1)
            raster.write(piece, window=((start, stop), (0, side)))


def write_jpeg(path: Path, source: Path) -> None:
    """The same picture as a JPEG, streamed from the GeoTIFF."""
    import pyvips  # noqa: PLC0415  # the measured processes do not need it for GeoTIFFs

    pyvips.Image.tiffload(str(source), access="sequential").jpegsave(str(path), Q=90)


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def bytes_read() -> int:
    """What this process has read from files so far."""
    counters = Path("/proc/self/io").read_text(encoding="ascii")
    return int(counters.split("rchar:")[1].split()[0])


def limits_of(stream_above_px: int) -> ReadLimits:
    """The configured limits, but for where streaming begins."""
    return ReadLimits(max_pixels=DataConfig().max_pixels, stream_above_px=stream_above_px)


def tiles(path: Path, limits: ReadLimits) -> float:
    """Read all tiles; how many pixels they have, over those of the picture."""
    size_px = size_of(path, limits)
    grid, tile_px = tile_grid(*size_px, TilingConfig()), TilingConfig().tile_px
    coords = np.stack([grid.row_px, grid.col_px], axis=1)
    with path.open("rb") as stream:
        chunks = read_tiles(stream, coords, tile_px=tile_px, limits=limits)
        n_tiles = sum(len(which) for which, _ in chunks)
    if n_tiles != len(coords):
        msg = f"{n_tiles} of {len(coords)} tiles came"
        raise RuntimeError(msg)
    return n_tiles * tile_px**2 / (size_px[0] * size_px[1])


def bands(path: Path, limits: ReadLimits) -> float:
    """Read all rows; how many pixels were decoded, over those of the picture."""
    with path.open("rb") as stream:
        picture = open_photo(stream, limits=limits).picture()
        height_px, width_px = picture.stored_px
        n_pixels = sum(band.samples.shape[0] * band.samples.shape[1] for band in picture.bands)
    return n_pixels / (height_px * width_px)


def inspection(path: Path, limits: ReadLimits) -> float:
    """Inspect as the manifest does; the share of valid pixels."""
    with path.open("rb") as stream:
        return inspect_photo(stream, limits=limits).valid_fraction


def pillow(path: Path, limits: ReadLimits) -> float:  # noqa: ARG001  # called as the others are
    """The whole image by Pillow, then its tiles: what streaming is compared with."""
    Image.MAX_IMAGE_PIXELS = None
    image = np.asarray(Image.open(path).convert("RGB"))
    grid, tile_px = tile_grid(*image.shape[:2], TilingConfig()), TilingConfig().tile_px
    found = [
        image[row : row + tile_px, col : col + tile_px].copy()
        for row, col in zip(grid.row_px, grid.col_px, strict=True)
    ]
    return len(found) * tile_px**2 / (image.shape[0] * image.shape[1])


def size_of(path: Path, limits: ReadLimits) -> tuple[int, int]:
    """(height, width), from the header."""
    with path.open("rb") as stream:
        return open_photo(stream, limits=limits).picture().size_px


STAGES = {"tiles": tiles, "bands": bands, "inspection": inspection, "pillow": pillow}


def measured(stage: str, path: Path) -> dict[str, float]:
    """Run one stage in a process of its own."""
    command = [sys.executable, __file__, "--stage", stage, "--file", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(found.stdout))


def stage(name: str, path: Path) -> dict[str, float]:
    """One stage, here: seconds, peak memory, and the share that the stage counts."""
    limits = limits_of(ImagingConfig().stream_above_px)
    before, started_s = bytes_read(), time.perf_counter()
    share = STAGES[name](path, limits)
    return {
        "seconds": time.perf_counter() - started_s,
        "peak_bytes": peak_bytes(),
        "share": share,
        "read_over_file": (bytes_read() - before) / path.stat().st_size,
    }


def of_one(path: Path, limit_bytes: float) -> dict[str, float]:
    """The figures of one large file."""
    found = {name: measured(name, path) for name in ("tiles", "bands", "inspection")}
    return {
        "peak_mb": found["tiles"]["peak_bytes"] / 1e6,
        "peak_over_limit": found["tiles"]["peak_bytes"] / limit_bytes,
        "decoded_over_pixels": found["bands"]["share"],
        "read_over_file": found["tiles"]["read_over_file"],
        "tiles_s": found["tiles"]["seconds"],
        "inspection_s": found["inspection"]["seconds"],
        "inspection_peak_mb": found["inspection"]["peak_bytes"] / 1e6,
        "file_mb": path.stat().st_size / 1e6,
    }


def compared(path: Path) -> dict[str, float]:
    """Streaming against Pillow on a file that fits."""
    streamed, whole = measured("tiles", path), measured("pillow", path)
    return {
        "streamed_over_pillow_s": streamed["seconds"] / whole["seconds"],
        "streamed_over_pillow_peak": streamed["peak_bytes"] / whole["peak_bytes"],
    }


def figures(folder: Path, side: int) -> dict[str, dict[str, float]]:
    """All files of one side, and the comparison on smaller ones."""
    found = {}
    for compression in COMPRESSIONS:
        path = folder / f"{compression}.tif"
        write_geotiff(path, side, compression)
        found[f"geotiff_{compression}"] = of_one(path, GEOTIFF_BYTES)
        if compression == "none":
            write_jpeg(folder / "photo.jpg", path)
        path.unlink()
    found["jpeg"] = of_one(folder / "photo.jpg", JPEG_BYTES)
    write_geotiff(folder / "small.tif", SMALL_SIDE, "deflate")
    write_jpeg(folder / "small.jpg", folder / "small.tif")
    for kind in ("tif", "jpg"):
        found[f"small_{kind}"] = compared(folder / f"small.{kind}")
    return found


def arguments() -> argparse.Namespace:
    """The command line; `--stage` is for the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--stage", choices=STAGES)
    parser.add_argument("--file", type=Path)
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    asked = arguments()
    if asked.stage:
        print(json.dumps(stage(asked.stage, asked.file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = figures(Path(folder), asked.side)
    from biomass_pipeline.reporting import package_versions  # noqa: PLC0415  # not in what is measured

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    result = {
        "side_px": asked.side,
        "figures": {
            name: {figure: round(value, 3) for figure, value in values.items()}
            for name, values in found.items()
        },
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "versions": package_versions(),
        "commit": commit.stdout.strip(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if asked.result:
        asked.result.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
