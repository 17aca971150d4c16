"""Hold the weights-free path to its limits, as ratios in one run; run it on an idle machine.

Usage: python benchmarks/limits.py [RESULT.json]. Figures: tiles of 518 px a second over the limit
of 20; the engine over the bare backbone; the seconds that the graph takes to load, and that a run
with nothing to do takes, over their limits of 15 and 20.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from biomass_pipeline.config import BackboneConfig, ComputeConfig, TilingConfig
from biomass_pipeline.features import Photo, Workers, build_backbone, embed_photos
from biomass_pipeline.imaging import cut_tiles, decode
from biomass_pipeline.reporting import package_versions
from biomass_pipeline.synthetic import SyntheticSpec, write_photos
from biomass_pipeline.tiling import tile_grid

TILES_PER_S, LOAD_S, IDLE_RUN_S = 20.0, 15.0, 20.0
MAX_PIXELS = 10**9
REPEATS = 3


def seconds(call: Callable[[], object]) -> float:
    """The fastest of a few calls: the machine's noise only ever adds."""
    times = []
    for _ in range(REPEATS):
        started_s = time.perf_counter()
        call()
        times.append(time.perf_counter() - started_s)
    return min(times)


def extraction(folder: Path) -> dict[str, float]:
    """The bare backbone and the engine on photos of 1000 x 2000 px, 15 tiles each."""
    write_photos(
        folder, spec=SyntheticSpec(n_photos=4, n_sessions=4, height_px=1000, width_px=2000)
    )
    paths = sorted((folder / "photos").iterdir())
    grid = tile_grid(1000, 2000, TilingConfig())
    coords = np.stack([grid.row_px, grid.col_px], axis=1)
    backbone = build_backbone(BackboneConfig(), tile_px=518)
    images = [decode(path.read_bytes(), max_pixels=MAX_PIXELS) for path in paths]
    tiles = np.concatenate([cut_tiles(i, grid.row_px, grid.col_px, 518) for i in images])
    photos = [Photo(str(p), hashlib.sha256(p.read_bytes()).hexdigest(), coords) for p in paths]
    size = ComputeConfig().batch_size
    workers = Workers(size, ComputeConfig().decode_threads, MAX_PIXELS)

    def bare() -> None:
        for start in range(0, len(tiles), size):
            backbone.embed(tiles[start : start + size])

    def engine() -> None:
        done = embed_photos(
            photos,
            read=lambda path: Path(path).read_bytes(),
            backbone=backbone,
            tile_px=518,
            workers=workers,
            on_progress=lambda _: None,
        )
        assert sum(1 for _ in done) == len(photos)  # noqa: S101  # the work was done

    bare_per_s, engine_per_s = len(tiles) / seconds(bare), len(tiles) / seconds(engine)
    return {
        "backbone_tiles_per_s": bare_per_s,
        "backbone_over_limit": bare_per_s / TILES_PER_S,
        "engine_tiles_per_s": engine_per_s,
        "engine_over_backbone": engine_per_s / bare_per_s,
    }


def starting(folder: Path) -> dict[str, float]:
    """Loading the graph, and a run of a finished small demo with nothing to do."""
    write_photos(
        folder, spec=SyntheticSpec(n_photos=24, n_sessions=12, height_px=200, width_px=400)
    )
    (folder / "biomass.yaml").write_text(
        "name: b\nroot: a\ndata: {images: photos, labels: train.csv}\n"
        "tiling: {tile_px: 100, stride_px: 80}\ntraining: {epochs: 2, n_seeds: 1}\n",
        encoding="utf-8",
    )
    variables = os.environ | {"BIOMASS_CONFIG": str(folder / "biomass.yaml")}

    def program(*code: str) -> Callable[[], object]:
        command = [sys.executable, *code]
        return lambda: subprocess.run(command, env=variables, check=True, capture_output=True)

    run = program(
        "-c", "import sys; sys.argv[1:] = ['run']; import biomass_pipeline.cli as c; c.main()"
    )
    run()
    load_s = seconds(program("-c", "import biomass_pipeline.definitions"))
    idle_s = seconds(run)
    return {
        "load_s": load_s,
        "load_over_limit": load_s / LOAD_S,
        "idle_run_s": idle_s,
        "idle_run_over_limit": idle_s / IDLE_RUN_S,
    }


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        figures = extraction(Path(folder) / "photos") | starting(Path(folder) / "demo")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    result = {
        "figures": {name: round(value, 3) for name, value in figures.items()},
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "versions": package_versions(),
        "commit": commit.stdout.strip(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
