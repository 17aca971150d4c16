"""Ray beside the local engine on small photos, the driver's memory, and what one writer takes.

Usage: python benchmarks/cluster.py [RESULT.json]. Each engine runs in a process of its own, on
photos of one tile and a weights-free backbone, so what is seen is Ray's own cost. Figures: seconds
to start a cluster and until the first block; photos a second over the local engine's; the driver's
peak memory at 500 and at 5,000 photos (`anonymous` is its own, the rest are pages of libraries and
of the object store); megabytes a second that reach the driver when rows cost nothing; megabytes a
second that one writer puts into the cache.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from biomass_pipeline.benchmark import (
    Effort,
    Plan,
    describe_machine,
    package_versions,
    source_commit,
)
from biomass_pipeline.benchmark.caches import cache_rates
from biomass_pipeline.config import BackboneConfig, Config, RayConfig
from biomass_pipeline.features import Backbone, Block, Photo, Reading, embed_photos
from biomass_pipeline.features.cluster import BLOCK_BYTES, embed_on_ray
from biomass_pipeline.features.cluster_session import cluster
from biomass_pipeline.features.lanes import build_lanes
from biomass_pipeline.imaging import ReadLimits

FEW, MANY, SIDE_PX = 500, 5_000, 64
SPEC = RayConfig()
MB = 1e6
# Numbers a tile of the backbone that costs nothing: a photo of one tile is a megabyte.
WIDE, N_WIDE = 2**18, 1_000
VIT_L = 1024
N_BAGS = 4_000


class Nothing:
    """A backbone that costs nothing: all its rows are one."""

    name = "nothing"
    feature_dim = WIDE
    batch_size = 4
    precision = "fp32"
    tile_px = SIDE_PX
    weights_sha256 = ""
    identity: dict[str, str] = {}  # noqa: RUF012  # empty

    def embed(self, tiles: np.ndarray) -> np.ndarray:
        """Ones of shape (tile, feature)."""
        return np.ones((len(tiles), WIDE), np.float32)


def weights_free() -> list[Backbone]:
    """One that computes on the processor, as many users' first run does."""
    spec = BackboneConfig(name="colour-texture")
    return build_lanes(spec, tile_px=SIDE_PX, devices=["cpu"], batch_size=4)


def nothing() -> list[Backbone]:
    """See `Nothing`."""
    return [Nothing()]


def open_photo(folder: str, path: str) -> BinaryIO:
    """A photo of the folder."""
    return (Path(folder) / path).open("rb")


def write_photos(folder: Path, count: int) -> None:
    """Small photos that all differ."""
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST)
        image.save(folder / f"p{number:05d}.png")


def photos_in(folder: Path, count: int) -> list[Photo]:
    """The first photos of the folder, of one tile each."""
    paths = sorted(folder.iterdir())[:count]
    corner = np.zeros((1, 2), np.int32)
    return [Photo(p.name, hashlib.sha256(p.read_bytes()).hexdigest(), corner) for p in paths]


def memory_mb(what: str) -> float:
    """This process's memory, as Linux counts it."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024 / MB
    return float("nan")


def consume(blocks: Iterator[Block], count: int) -> dict[str, float]:
    """Take all blocks as a writer does, and watch time and memory."""
    started_s = time.perf_counter()
    first_s, anonymous_mb, n_photos, n_bytes = 0.0, 0.0, 0, 0
    for block in blocks:
        first_s = first_s or time.perf_counter() - started_s
        n_photos += len(block.tiles)
        n_bytes += block.features.nbytes
        if n_photos % 50 == 0:
            anonymous_mb = max(anonymous_mb, memory_mb("RssAnon"))
    took_s = time.perf_counter() - started_s
    if n_photos != count:
        sys.exit(f"{n_photos} of {count} photos came")
    return {
        "seconds": took_s,
        "first_s": first_s,
        "photos_per_s": count / took_s,
        "photos_per_s_after_first": (count - 1) / (took_s - first_s),
        "mb_per_s_after_first": n_bytes / MB / (took_s - first_s),
        "peak_anonymous_mb": anonymous_mb,
        "peak_mb": memory_mb("VmHWM"),
    }


def measure(engine: str, folder: Path, count: int) -> dict[str, float]:
    """Embed photos in this process, or in a cluster started from it."""
    photos = photos_in(folder, count)
    wanted = {position: np.arange(1) for position in range(count)}
    reading = Reading(
        open=partial(open_photo, str(folder)),
        tile_px=SIDE_PX,
        limits=ReadLimits(max_pixels=10**6, stream_above_px=10**6),
        threads=2,
    )
    if engine == "local":
        blocks = embed_photos(photos, wanted, reading=reading, backbones=weights_free())
        return consume(blocks, count)
    build = weights_free
    if engine == "stream":
        # What a cluster with GPUs sends.
        build, BLOCK_BYTES["cpu"] = nothing, BLOCK_BYTES["gpu"]
    started_s = time.perf_counter()
    with cluster(SPEC):
        start_s = time.perf_counter() - started_s
        blocks = embed_on_ray(photos, wanted, reading=reading, build=build, spec=SPEC)
        return {"start_s": start_s, **consume(blocks, count)}


def apart(engine: str, folder: Path, count: int) -> dict[str, float]:
    """`measure` in a process of its own, so that peaks do not mix."""
    command = [sys.executable, __file__, "--measure", engine, str(folder), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


def writing(folder: Path) -> dict[str, float]:
    """One writer's rate into the cache, with rows as wide as those of ViT-L."""
    rates = cache_rates(
        Plan(Config(), (), (), effort=Effort(rounds=3, enough_s=0)),
        feature_dim=VIT_L,
        folder=folder,
        n_bags=N_BAGS,
    )
    return {"writer_mb_per_s": rates.write_bytes_per_s / MB, "bytes_per_tile": VIT_L * 2}


def figures(folder: Path) -> dict[str, float]:
    """Everything, ratios first."""
    photos = folder / "photos"
    photos.mkdir()
    write_photos(photos, MANY)
    runs = {
        (engine, count): apart(engine, photos, count)
        for count in (FEW, MANY)
        for engine in ("local", "ray")
    }
    stream = apart("stream", photos, N_WIDE)
    few, many = runs["ray", FEW], runs["ray", MANY]
    rate = "photos_per_s_after_first"
    return {
        "ray_over_local_5000": many["photos_per_s"] / runs["local", MANY]["photos_per_s"],
        "ray_over_local_5000_after_first": many[rate] / runs["local", MANY][rate],
        "anonymous_5000_over_500": many["peak_anonymous_mb"] / few["peak_anonymous_mb"],
        "peak_5000_over_500": many["peak_mb"] / few["peak_mb"],
        "ray_start_s": min(few["start_s"], many["start_s"]),
        "stream_mb_per_s": stream["mb_per_s_after_first"],
        "stream_peak_mb": stream["peak_mb"],
        **writing(folder / "caches"),
        **{
            f"{engine}_{count}_{name}": value
            for (engine, count), run in runs.items()
            for name, value in run.items()
            if name not in {"start_s", "mb_per_s_after_first"}
        },
    }


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    if sys.argv[1:2] == ["--measure"]:
        engine, folder, count = sys.argv[2:]
        print(json.dumps(measure(engine, Path(folder), int(count))))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = figures(Path(folder))
    result = {
        "figures": {name: round(value, 3) for name, value in found.items()},
        "machine": describe_machine([]),
        "versions": package_versions() | {"ray": version("ray")},
        "commit": source_commit(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
