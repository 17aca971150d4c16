"""Decode in processes against decode in threads, as ratios in one run; for an idle Linux machine.

Usage: python benchmarks/decoding.py [RESULT.json] [--photos N] [--rounds N] [--threads N] [--quick]

For photos of a phone (12 Mpx), of a survey (2 Mpx) and small ones: photos decoded and cut a second
by `read_tiles_apart` over those by `read_tiles`, taking turns on the same files, both started
before. Beside it what a process costs: seconds until its first answer, and its memory then and
after the largest photos.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from verdicts import Target, finish

from biomass_pipeline.benchmark.decoding import tile_coords
from biomass_pipeline.benchmark.pictures import write_pictures
from biomass_pipeline.config import Config, TilingConfig
from biomass_pipeline.imaging import (
    ReadLimits,
    TileChunk,
    keep_freed_memory,
    read_tiles,
    read_tiles_apart,
)
from biomass_pipeline.isolation import Crew, Isolation

SIZES_PX = {"12 Mpx": (3000, 4000), "2 Mpx": (1000, 2000), "0.3 Mpx": (480, 640)}
LARGE = "12 Mpx"
GOAL = 0.8
TILING = TilingConfig()
LIMITS = ReadLimits(Config().data.max_pixels, Config().imaging.stream_above_px)
MIB = 2**20

Reader = Callable[[BytesIO], Iterator[TileChunk]]


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    asked = arguments()
    keep_freed_memory()  # as the engine does
    started = time.perf_counter()
    with Isolation().crew() as crew:
        with TemporaryDirectory() as folder:
            tiny = write_pictures(Path(folder), [(64, 64)])
            data = (tiny.folder / tiny.table["path"][0]).read_bytes()
            list(apart(crew, (64, 64))(BytesIO(data)))
        first_s, first_bytes = time.perf_counter() - started, max(resident())
        rates = {
            name: compare(crew, size_px, n_photos=asked.photos, asked=asked)
            for name, size_px in SIZES_PX.items()
            if name == LARGE or not asked.quick
        }
        last_bytes = max(resident())
    ratios = {f"{name}: processes / threads": there / here for name, (here, there) in rates.items()}
    finish(
        asked.result,
        ratios=ratios,
        targets=[Target(f"{LARGE}: processes / threads", GOAL, rates[LARGE][1] / rates[LARGE][0])],
        details={
            "photos_per_s": {n: {"threads": h, "processes": t} for n, (h, t) in rates.items()},
            "first_answer_s": first_s,
            "process_mib": first_bytes / MIB,
            "process_mib_after_large_photos": last_bytes / MIB,
            "photos": asked.photos,
            "rounds": asked.rounds,
            "threads": asked.threads,
        },
    )
    print(f"first answer after {first_s:.2f} s; a process has {first_bytes / MIB:.0f} MiB,")
    print(f"and {last_bytes / MIB:.0f} MiB after the photos")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=Config().compute.decode_threads)
    parser.add_argument("--quick", action="store_true", help="the large photos only")
    return parser.parse_args()


def here(size_px: tuple[int, int]) -> Reader:
    """Read in the thread that asks."""
    coords = tile_coords(size_px, TILING)
    return partial(read_tiles, coords=coords, tile_px=TILING.tile_px, limits=LIMITS)


def apart(crew: Crew, size_px: tuple[int, int]) -> Reader:
    """Read in a process."""
    coords = tile_coords(size_px, TILING)
    return partial(read_tiles_apart, crew, coords=coords, tile_px=TILING.tile_px, limits=LIMITS)


def compare(
    crew: Crew, size_px: tuple[int, int], *, n_photos: int, asked: argparse.Namespace
) -> tuple[float, float]:
    """Photos a second in threads and in processes: the medians of rounds that take turns."""
    readers = (here(size_px), apart(crew, size_px))
    rates: tuple[list[float], list[float]] = ([], [])
    with TemporaryDirectory() as folder, ThreadPoolExecutor(asked.threads) as pool:
        pictures = write_pictures(Path(folder), [size_px] * n_photos)
        photos = [(pictures.folder / path).read_bytes() for path in pictures.table["path"]]
        for round_ in range(asked.rounds + 1):
            for reader, found in zip(readers, rates, strict=True):
                began = time.perf_counter()
                list(pool.map(partial(read_through, reader), photos))
                if round_:  # the first one starts what is not there yet
                    found.append(n_photos / (time.perf_counter() - began))
    return median(rates[0]), median(rates[1])


def read_through(reader: Reader, data: bytes) -> int:
    """Take each chunk and let it go, as a batch does."""
    return sum(int(pixels[:, 0, 0, 0].sum()) for _, pixels in reader(BytesIO(data)))


def resident() -> list[int]:
    """The resident bytes of each process that we started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        if int(facts["PPid"]) == os.getpid() and "VmRSS" in facts:
            found.append(int(facts["VmRSS"].split()[0]) * 1024)
    return found


if __name__ == "__main__":
    main()
