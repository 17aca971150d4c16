"""A photo that kills its decoder is refused by name; every other gives the rows it always gives."""

import hashlib
import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from biomass_pipeline.features import Photo, Reading, embed_photos
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.isolation import Isolation
from biomass_pipeline_tests.features.test_engine import MeanColour, everything
from biomass_pipeline_tests.isolation import faults
from biomass_pipeline_tests.isolation.conftest import left

LIMITS = ReadLimits(max_pixels=10_000, stream_above_px=5_000)
COORDS = np.array([(row, col) for row in (0, 10, 36) for col in (0, 20, 56)], np.int32)
# The last one is streamed.
SIZES = [(40, 60)] * 8 + [(100, 90)]
CRASHES = {1: faults.aborts, 4: faults.segfaults, 6: faults.quits}


def jpeg(number):
    height, width = SIZES[number]
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def blocks_of(files, isolation):
    photos = [Photo(path, hashlib.sha256(data).hexdigest(), COORDS) for path, data in files.items()]
    reading = Reading(
        lambda path: BytesIO(files[path]), 4, limits=LIMITS, threads=2, isolation=isolation
    )
    return list(embed_photos(photos, everything(photos), reading=reading, backbones=[MeanColour()]))


def rows_of(blocks):
    return [
        (block.photo, block.tiles.tobytes(), block.features.tobytes())
        for block in blocks
        if not block.reason
    ]


@pytest.fixture(scope="module")
def healthy():
    return {f"p{number}.jpg": jpeg(number) for number in range(len(SIZES))}


def test_processes_give_the_blocks_that_threads_give(healthy):
    before = left()
    here, there = blocks_of(healthy, None), blocks_of(healthy, Isolation(limit_s=30))
    assert rows_of(there) == rows_of(here)
    assert not any(block.reason for block in there)
    after = left()
    assert after[0] <= before[0]
    assert after[2] <= before[2]
    assert not [each for each in threading.enumerate() if each.name.startswith("decode")]


def test_photos_that_kill_their_decoder_cost_themselves(healthy):
    before = left()[0]
    paths = list(healthy)
    files = healthy | {
        paths[number]: faults.marked(healthy[paths[number]], fault)
        for number, fault in CRASHES.items()
    }
    blocks = blocks_of(files, Isolation(limit_s=30, prepare=faults.treacherous))
    assert {block.photo: block.reason for block in blocks if block.reason} == {
        1: "the decoder crashed (signal 6)",
        4: "the decoder crashed (signal 11)",
        6: "the decoder ended without an answer (exit code 0)",
    }
    others = [photo for photo in range(len(SIZES)) if photo not in CRASHES]
    assert tiles_by_photo(blocks) == {
        photo: rows
        for photo, rows in tiles_by_photo(blocks_of(healthy, None)).items()
        if photo in others
    }
    assert [block.photo for block in blocks] == sorted(block.photo for block in blocks)
    assert left()[0] <= before


def tiles_by_photo(blocks):
    """Each photo's rows, however they fell into batches."""
    found = {}
    for block in blocks:
        if not block.reason:
            rows = found.setdefault(block.photo, {})
            rows |= dict(zip(block.tiles.tolist(), map(bytes, block.features), strict=True))
    return found


def test_a_photo_that_hangs_its_decoder_is_tried_twice_and_refused(healthy):
    files = {"hangs.jpg": faults.marked(healthy["p0.jpg"], faults.hangs), **healthy}
    isolation = Isolation(limit_s=2.5, prepare=faults.treacherous)
    blocks = blocks_of(files, isolation)
    assert [(block.photo, block.reason) for block in blocks if block.reason] == [
        (0, "the decoder took longer than 2.5 s")
    ]
    assert set(tiles_by_photo(blocks)) == set(range(1, len(files)))


def test_whoever_stops_listening_leaves_no_process(healthy):
    """As Ctrl-C does, in the midst of photos."""
    before = left()[0]
    files = {"hangs.jpg": faults.marked(healthy["p0.jpg"], faults.hangs), **healthy}
    photos = [Photo(path, hashlib.sha256(data).hexdigest(), COORDS) for path, data in files.items()]
    reading = Reading(
        lambda path: BytesIO(files[path]),
        4,
        limits=LIMITS,
        threads=2,
        isolation=Isolation(limit_s=600, prepare=faults.treacherous),
    )
    # The last photo is asked for first, and the one that hangs is under way meanwhile.
    wanted = {1: np.arange(9), 0: np.arange(9)}
    blocks = embed_photos(photos, wanted, reading=reading, backbones=[MeanColour()])
    assert next(blocks).photo == 1
    blocks.close()
    assert left()[0] <= before
