"""Ways to keep 1,000 bags on disk: random bags a second and megabytes, in one run.

Usage: python benchmarks/cache_layouts.py [RESULT.json]. Files are warm. Each bag is 15 x 1024; the
random order is the same for all; our float16 is the default, our float32 holds what the
others hold.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
from numpy.typing import NDArray
from verdicts import finish

from biomass_pipeline.benchmark import Effort, Plan, fastest
from biomass_pipeline.benchmark.backbones import FOLD, bench_stamp
from biomass_pipeline.benchmark.caches import ReadyRows, ready_contents
from biomass_pipeline.config import CacheConfig, Config
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureCache, FeatureFolder

N_BAGS, N_TILES, WIDTH = 1_000, 15, 1024
# Slow layouts read fewer bags a turn; the rate is what counts.
FEW = 100
Reader = Callable[[Sequence[int]], None]


def ours(folder: Path, rows: NDArray[np.float32], dtype: str) -> FeatureCache:
    """One flat contiguous file, written by the product."""
    plan = Plan(Config(cache=CacheConfig(dtype=dtype)), backbones=(), devices=("cpu",))
    place, stamp = FeatureFolder(Layout(folder)), bench_stamp("benchmark", plan)
    contents = ready_contents(plan, len(rows))
    place.write(FOLD, contents, stamp=stamp, embedder=ReadyRows(rows), max_refused=0)
    return place.open(FOLD, stamp.fingerprint)


def mapped(cache: FeatureCache) -> Reader:
    """Bags out of the memory-mapped file, as training on a large fold reads them."""
    features = cache.memory_map()

    def read(order: Sequence[int]) -> None:
        for index in order:
            np.array(features.bag(index))

    return read


def reopened(cache: FeatureCache) -> Reader:
    """The file opened, checked and closed for each bag."""

    def read(order: Sequence[int]) -> None:
        for index in order:
            cache.bag(index)

    return read


def gzip_groups(path: Path, rows: NDArray[np.float32]) -> Reader:
    """A gzip group an image, the file opened for each bag."""
    with h5py.File(path, "w") as file:
        for index, bag in enumerate(rows):
            file.create_group(str(index)).create_dataset("features", data=bag, compression="gzip")

    def read(order: Sequence[int]) -> None:
        for index in order:
            with h5py.File(path) as file:
                file[str(index)]["features"][...]

    return read


def gzip_chunks(path: Path, rows: NDArray[np.float32]) -> Reader:
    """One dataset with chunks as h5py guesses them and gzip, the file kept open."""
    with h5py.File(path, "w") as file:
        flat = rows.reshape(-1, rows.shape[2])
        file.create_dataset("features", data=flat, chunks=True, compression="gzip")
    file = h5py.File(path)

    def read(order: Sequence[int]) -> None:
        for index in order:
            file["features"][index * N_TILES : (index + 1) * N_TILES]

    return read


def npy_files(folder: Path, rows: NDArray[np.float32]) -> Reader:
    """One .npy file a bag."""
    folder.mkdir()
    for index, bag in enumerate(rows):
        np.save(folder / f"{index}.npy", bag)

    def read(order: Sequence[int]) -> None:
        for index in order:
            np.load(folder / f"{index}.npy")

    return read


def disk_bytes(path: Path) -> int:
    """What a file or a folder takes on disk."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(os.stat(one).st_blocks * 512 for one in files)  # noqa: PTH116  # blocks of 512


def measure(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Random bags a second, and megabytes on disk, by layout."""
    chance = np.random.default_rng(0)
    rows = chance.standard_normal((N_BAGS, N_TILES, WIDTH), dtype=np.float32)
    half, full = (ours(folder / dtype, rows, dtype) for dtype in ("float16", "float32"))
    layouts: dict[str, tuple[Path, Reader, int]] = {
        "ours, float16": (half.path, mapped(half), N_BAGS),
        "ours, float32": (full.path, mapped(full), N_BAGS),
        "ours, float32, reopened a bag": (full.path, reopened(full), FEW),
        "one .npy a bag": (folder / "npy", npy_files(folder / "npy", rows), N_BAGS),
        "chunked and gzip": (folder / "chunks.h5", gzip_chunks(folder / "chunks.h5", rows), FEW),
        "gzip group an image, reopened": (
            folder / "groups.h5",
            gzip_groups(folder / "groups.h5", rows),
            FEW,
        ),
    }
    order = chance.permutation(N_BAGS).tolist()
    calls = {
        name: (lambda read=read, n=n_bags: read(order[:n]))
        for name, (_, read, n_bags) in layouts.items()
    }
    took = fastest(calls, effort=Effort(rounds=3))
    rates = {name: n_bags / took[name] for name, (_, _, n_bags) in layouts.items()}
    return rates, {name: disk_bytes(path) / 1e6 for name, (path, _, _) in layouts.items()}


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="biomass_layouts_") as folder:
        rates, megabytes = measure(Path(folder))
    ours_rate, ours_mb = rates["ours, float32"], megabytes["ours, float32"]
    ratios = {f"ours over {name}, random bags": ours_rate / rate for name, rate in rates.items()}
    sizes = {f"{name} over ours, disk": mb / ours_mb for name, mb in megabytes.items()}
    details = {"bags_per_s": rates, "disk_mb": megabytes, "bags": [N_BAGS, N_TILES, WIDTH]}
    finish(asked.result, ratios=ratios | sizes, details=details)


if __name__ == "__main__":
    main()
