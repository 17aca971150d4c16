"""Ray gives the local engine's blocks: the same bits, each tile once, whatever dies meanwhile."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from biomass_pipeline.config import BackboneConfig, RayConfig
from biomass_pipeline.errors import ClusterWorkerError
from biomass_pipeline.features import cluster as cluster_module
from biomass_pipeline.features import cluster_session
from biomass_pipeline.features.cluster import _Missing, _tasks, embed_on_ray
from biomass_pipeline.features.cluster_session import cluster
from biomass_pipeline.features.engine import Block, embed_photos
from biomass_pipeline.features.joined import Joined
from biomass_pipeline.features.lanes import build_lanes
from biomass_pipeline.features.photos import Photo, Reading
from biomass_pipeline.imaging import ReadLimits

SIDE = 32
RED, NOISE = (255, 0, 0), ()
GREENS = [(number, 200, 10) for number in range(20)]
ONE = RayConfig(actors=1, cpus_per_actor=0.5)
TWO_SMALL = RayConfig(actors=2, cpus_per_actor=0.5)


@dataclass
class MeanColour:
    """Embeds a tile as its mean colour; pure red kills the process, once or always."""

    killed: Path | None = None
    fatal: bool = False
    counted: Path | None = None
    wide: int = 1
    name = "mean-colour"
    feature_dim = 3
    batch_size = 4
    precision = "fp32"
    tile_px = SIDE
    weights_sha256 = ""
    identity: dict = field(default_factory=dict)

    def embed(self, tiles):
        if self.counted:
            with self.counted.open("a") as marks:
                marks.write("x" * len(tiles))
        if self.killed and (tiles == (255, 0, 0)).all(axis=(1, 2, 3)).any():
            first = not self.killed.exists()
            with self.killed.open("a") as marks:
                marks.write("x")
            if first or self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
        return np.tile(tiles.mean(axis=(1, 2), dtype=np.float32), self.wide)


def open_in(folder, path):
    return (folder / path).open("rb")


def build(**options):
    return [MeanColour(**options)]


def fail_to_build():
    raise RuntimeError("no such device\nwith a long story")


def build_both():
    specs = [
        BackboneConfig(),
        BackboneConfig(name="timm:test_vit", random_weights=True, precision="fp32"),
    ]
    parts = [
        build_lanes(spec, tile_px=SIDE, devices=["cpu"], batch_size=4, base=Path())[0]
        for spec in specs
    ]
    return [Joined("both", parts)]


def write_photos(folder, colours, *, n_tiles=3):
    """Photos of one colour each, or of noise, with a sha256 and tiles a pixel apart."""
    photos = []
    for number, colour in enumerate(colours):
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, 2 * SIDE, 3), np.uint8)
        if colour != NOISE:
            pixels[:] = colour
        path = folder / f"p{number}.png"
        Image.fromarray(pixels).save(path)
        coords = np.stack([np.zeros(n_tiles), np.arange(n_tiles)], axis=1).astype(np.int32)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        photos.append(Photo(path.name, digest, coords))
    return photos


def reading(folder):
    limits = ReadLimits(max_pixels=10**6, stream_above_px=10**6)
    return Reading(open=partial(open_in, folder), tile_px=SIDE, limits=limits, threads=1)


def everything(photos):
    return {i: np.arange(len(photo.coords)) for i, photo in enumerate(photos)}


def together(blocks, photos):
    """Each photo's rows, or its reason; a tile that comes twice or never is seen."""
    blocks = list(blocks)
    found = {block.photo: block.reason for block in blocks if block.reason}
    for position in {block.photo for block in blocks} - set(found):
        mine = [block for block in blocks if block.photo == position]
        tiles = np.concatenate([block.tiles for block in mine])
        assert sorted(tiles) == list(range(len(photos[position].coords)))
        rows = np.concatenate([b.features.reshape(len(b.tiles), -1) for b in mine])
        found[position] = rows[np.argsort(tiles)].tobytes()
    assert len(found) == len(photos)
    return found


TILES = st.lists(st.integers(0, 9), unique=True, min_size=1).map(np.array)


def block_of(photo, tiles, *, per_tile=2):
    rows = np.repeat(np.asarray(tiles, np.float32), per_tile)[:, None] * [1.0, 0.5]
    return Block(photo, np.asarray(tiles, np.int64), rows.astype(np.float32))


@given(
    wanted=st.dictionaries(st.integers(0, 3), TILES),
    sent=st.lists(st.tuples(st.integers(0, 3), TILES), max_size=12),
)
def test_whatever_comes_twice_or_unasked_is_dropped_and_the_rest_is_still_missing(wanted, sent):
    missing = _Missing(wanted)
    taken = [missing.take(block_of(photo, tiles)) for photo, tiles in sent]
    got = [(b.photo, tile) for b in taken if b for tile in b.tiles.tolist()]
    asked = {(photo, tile) for photo in wanted for tile in wanted[photo].tolist()}
    offered = {(photo, tile) for photo, tiles in sent for tile in tiles.tolist()}
    assert len(got) == len(set(got))
    assert set(got) == asked & offered
    left = {(p, tile) for p in missing.photos() for tile in missing.tiles(p).tolist()}
    assert left == asked - offered
    assert missing.n_tiles == len(left)
    for block in filter(None, taken):
        assert block.features.tolist() == block_of(block.photo, block.tiles).features.tolist()


def test_a_refused_photo_misses_nothing_more():
    missing = _Missing({0: np.arange(3), 1: np.arange(1)})
    assert missing.take(Block.refused(0, "torn")).reason == "torn"
    assert missing.take(block_of(0, [1])) is None
    assert missing.photos() == [1]


@given(st.lists(st.integers(1, 9), min_size=1), st.integers(1, 12))
def test_tasks_hold_every_photo_once_in_order_and_no_more_tiles_than_fit(n_tiles, limit):
    photos = [Photo(str(i), "", np.zeros((n, 2), np.int32)) for i, n in enumerate(n_tiles)]
    tasks = _tasks(photos, _Missing(everything(photos)), limit)
    inside = [task["photo"].to_pylist() for task in tasks]
    assert [photo for task in inside for photo in task] == list(range(len(photos)))
    assert all(len(task) == 1 or sum(n_tiles[p] for p in task) <= limit for task in inside)
    assert [set(task["task"].to_pylist()) for task in tasks] == [{i} for i in range(len(tasks))]


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_nobody_pays_for_ray_who_does_not_use_it():
    """Neither importing the graph nor an extraction of nothing imports it."""
    done = python(
        "import sys, biomass_pipeline.features, biomass_pipeline.definitions\n"
        "from biomass_pipeline.config import RayConfig\n"
        "from biomass_pipeline.features.cluster import embed_on_ray\n"
        "nothing = embed_on_ray([], {}, reading=None, build=None, spec=RayConfig())\n"
        "print(list(nothing), 'ray' in sys.modules)"
    )
    assert done.stdout.splitlines()[-1:] == ["[] False"], done.stderr


@pytest.mark.slow
def test_a_cluster_of_our_own_is_silent_and_leaves_no_process(tmp_path):
    write_photos(tmp_path, GREENS[:4])
    done = python(f"""
import os, sys
from pathlib import Path
from biomass_pipeline_tests.features.test_cluster import *
photos = write_photos(Path({str(tmp_path)!r}), GREENS[:4])
blocks = embed_on_ray(
    photos, everything(photos), reading=reading(Path({str(tmp_path)!r})), build=build,
    spec=TWO_SMALL
)
blocks = [*blocks]
print(len(together(blocks, photos)), os.getpid())
""")
    n_photos, pid = done.stdout.split()
    assert (n_photos, done.stderr) == ("4", "")
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    # Ray names a session's folder, and so its processes, after the process that started it.
    assert not [
        command for command in running if re.search(rb"session_\S+_%b\b" % pid.encode(), command)
    ]


@pytest.fixture(scope="module")
def ray():
    """One small cluster for all: starting it takes most of a test's time."""
    with cluster(TWO_SMALL) as (module, _):
        yield module
    assert not module.is_initialized()


@pytest.fixture
def one_torch_thread():
    # A worker gets as many threads as CPUs; a sum split over more of them has other last bits.
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_torch_thread")
def test_a_network_and_statistics_give_the_local_engines_bits(ray, tmp_path):
    photos = write_photos(tmp_path, [NOISE] * 12)
    local = embed_photos(
        photos, everything(photos), reading=reading(tmp_path), backbones=build_both()
    )
    there = embed_on_ray(
        photos, everything(photos), reading=reading(tmp_path), build=build_both, spec=TWO_SMALL
    )
    assert together(there, photos) == together(local, photos)


@pytest.mark.slow
def test_a_driver_outside_the_cluster_gets_the_same_through_a_relay(ray, tmp_path, monkeypatch):
    # What an address `ray://` does, without its own server, which takes half a minute to start.
    monkeypatch.setattr(cluster_module, "_tables", cluster_module._relayed)
    photos = write_photos(tmp_path, GREENS)
    local = embed_photos(photos, everything(photos), reading=reading(tmp_path), backbones=build())
    there = embed_on_ray(
        photos, everything(photos), reading=reading(tmp_path), build=build, spec=ONE
    )
    assert together(there, photos) == together(local, photos)


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_and_a_bad_photo_only_itself(ray, tmp_path):
    photos = write_photos(tmp_path, [*GREENS, RED, *GREENS])
    (tmp_path / "p1.png").write_bytes(b"changed")
    (tmp_path / "p2.png").unlink()
    local = embed_photos(photos, everything(photos), reading=reading(tmp_path), backbones=build())
    there = embed_on_ray(
        photos,
        everything(photos),
        reading=reading(tmp_path),
        build=partial(build, killed=tmp_path / "killed"),
        spec=TWO_SMALL,
    )
    found = together(there, photos)
    assert (tmp_path / "killed").read_text() == "xx", "killed once, then tried again"
    assert found == together(local, photos)
    assert [i for i in found if isinstance(found[i], str)] == [1, 2]


@pytest.mark.slow
def test_a_photo_that_kills_every_worker_is_refused_and_the_rest_goes_on(ray, tmp_path):
    photos = write_photos(tmp_path, [*GREENS, RED, *GREENS])
    there = embed_on_ray(
        photos,
        everything(photos),
        reading=reading(tmp_path),
        build=partial(build, killed=tmp_path / "killed", fatal=True),
        spec=TWO_SMALL,
    )
    found = together(there, photos)
    reasons = {i: reason for i, reason in found.items() if isinstance(reason, str)}
    assert list(reasons) == [len(GREENS)]
    assert "died each time that this photo was tried" in reasons[len(GREENS)]


@pytest.mark.slow
def test_a_backbone_that_cannot_be_built_there_is_named(ray, tmp_path):
    photos = write_photos(tmp_path, GREENS)
    blocks = embed_on_ray(
        photos,
        everything(photos),
        reading=reading(tmp_path),
        build=fail_to_build,
        spec=ONE,
    )
    with pytest.raises(
        ClusterWorkerError,
        match=r"^A Ray worker on \S+ gave up: it cannot build the backbone: RuntimeError: no such "
        r"device\. Every machine of the cluster needs the same packages",
    ):
        list(blocks)


@pytest.mark.slow
def test_a_slow_writer_holds_the_workers_back_and_leaving_early_frees_them(
    ray, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster_session, "STORE_BYTES", 8 * 2**20)
    monkeypatch.setattr(cluster_session, "STORE_BYTES_PER_ACTOR", 0)
    photos = write_photos(tmp_path, [(0, 9, 0)] * 250, n_tiles=1)
    blocks = embed_on_ray(
        photos,
        everything(photos),
        reading=reading(tmp_path),
        build=partial(build, counted=tmp_path / "count", wide=2**18),
        spec=ONE,
    )
    next(blocks)
    before, n_embedded = 0, 1
    while n_embedded > before:
        time.sleep(4)
        before, n_embedded = n_embedded, (tmp_path / "count").stat().st_size
    assert n_embedded < 40, "the block of each is a MiB, and 8 MiB may wait"
    blocks.close()
    for _ in range(100):
        if ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"]:
            return
        time.sleep(0.1)
    pytest.fail("workers are still there")
