"""`python killing.py KIND N SEED` kills at least N runs at random instants.

Each is a process of its own that writes a fold; a process that goes on from what it left follows.
Prints, as JSON, how many tiles each story began beyond those that the fold has.
"""

import json
import os
import shutil
import signal
import sys
import time
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from biomass_pipeline.features import PhotoEmbedder, Reading, embed_here, photos_of
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.store import FoldContents
from biomass_pipeline_tests.store.fold import (
    COLUMNS,
    STAMP,
    ByContent,
    final_of,
    fold_of,
    folder_at,
)

BATCH = 7
PAUSE_S = 0.001
LOG = "embedded"
DATASETS = ["features", "coords", "area_weight", "image_id", "image_sha256", "offsets"]


class Slow(ByContent):
    """Takes its time for each block, and notes on disk how many tiles it begins."""

    def embed(self, wanted):
        for block in super().embed(wanted):
            note(len(block.tiles))
            time.sleep(PAUSE_S)
            yield block


class Lane:
    """A backbone of the engine: a tile as its mean colour."""

    name, feature_dim, weights_sha256, precision, batch_size = "mean", 3, "", "fp32", BATCH

    def __init__(self):
        self.identity = {"name": "mean"}

    def embed(self, tiles):
        note(len(tiles))
        time.sleep(PAUSE_S)
        return tiles.mean(axis=(1, 2), dtype=np.float32)


def note(n_tiles):
    with Path(LOG).open("ab", buffering=0) as log:
        log.write(bytes([n_tiles]))


def by_fake():
    contents = fold_of(*((f"p{i}", f"c{i}") for i in range(6)), tiles=40)
    return contents, Slow(contents, tiles_a_block=BATCH)


@cache
def photos():
    """Photos of 64 x 80 px with noise, as bytes by path."""
    files = {}
    for number in range(6):
        stream = BytesIO()
        pixels = np.random.default_rng(number).integers(0, 255, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, "PNG")
        files[f"p{number}.png"] = stream.getvalue()
    return files


def by_engine():
    rows = [
        (path, sha256(data).hexdigest(), path, tile, 8 * (tile // 10), 8 * (tile % 10), 1 / 80)
        for path, data in photos().items()
        for tile in range(80)
    ]
    contents = FoldContents.from_patch_index(pd.DataFrame(rows, columns=COLUMNS))
    reading = Reading(
        open=lambda path: BytesIO(photos()[path]),
        tile_px=8,
        limits=ReadLimits(max_pixels=10**6, stream_above_px=10**6),
        threads=2,
    )
    embedder = PhotoEmbedder(
        photos_of(contents),
        reading=reading,
        build=lambda: [Lane()],
        engine=embed_here,
        on_progress=lambda _: None,
    )
    return contents, embedder


def write(kind):
    contents, embedder = {"fake": by_fake, "engine": by_engine}[kind]()
    folder_at(".").write(0, contents, stamp=STAMP, embedder=embedder, max_refused=0)


def started(kind):
    """A process that writes the fold in the current folder."""
    pid = os.fork()
    if pid == 0:
        try:
            write(kind)
        except BaseException as error:  # noqa: BLE001  # told by the exit code
            print(repr(error), file=sys.stderr)  # noqa: T201  # a program
            os._exit(1)
        os._exit(0)
    return pid


def ended_s(kind):
    begun_s = time.monotonic()
    _, status = os.waitpid(started(kind), 0)
    assert status == 0
    return time.monotonic() - begun_s


def state():
    """The datasets of the whole file, and the tiles given so far."""
    with h5py.File(final_of(folder_at("."))) as file:
        data = {name: file[name][...].tobytes() for name in [*DATASETS, "row_check", "complete"]}
    return data, sum(Path(LOG).read_bytes())


def story(kind, kill_after_s):
    """Kill a run at each of these instants, then let one end; how many tiles were made."""
    n_midway = 0
    for delay_s in kill_after_s:
        pid = started(kind)
        time.sleep(delay_s)
        os.kill(pid, signal.SIGKILL)
        n_midway += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    ended_s(kind)
    left = sorted(path.name for path in final_of(folder_at(".")).parent.glob("fold_*"))
    return n_midway, *state(), left


def main(kind, n_kills, seed):
    chance = np.random.default_rng(seed)
    home = Path.cwd()
    durations = []
    for number in range(3):
        (home / f"whole{number}").mkdir()
        os.chdir(home / f"whole{number}")
        durations.append(ended_s(kind))
    expected, n_tiles = state()
    stories, n_midway = [], 0
    while n_midway < n_kills:
        os.chdir(home)
        shutil.rmtree("story", ignore_errors=True)
        Path("story").mkdir()
        os.chdir("story")
        instants = chance.uniform(0, max(durations), int(chance.integers(1, 4)))
        kills, data, begun, left = story(kind, instants)
        n_midway += kills
        equal = data == expected
        stories.append({"kills": kills, "redone": begun - n_tiles, "equal": equal, "left": left})
    print(json.dumps(stories))  # noqa: T201  # a program


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
