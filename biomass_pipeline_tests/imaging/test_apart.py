"""A process of its own gives the same tiles in the same chunks, and the same refusals."""

from io import BytesIO

import numpy as np
import pytest

from biomass_pipeline.errors import LostDecoderError, UnreadableImageError
from biomass_pipeline.imaging import ReadLimits, apart, read_tiles, read_tiles_apart
from biomass_pipeline.isolation import Answer, Isolation
from biomass_pipeline_tests.imaging.conftest import good_photos
from biomass_pipeline_tests.rasters import PLACED, TILED, geotiff, smooth

GOOD = good_photos() | {
    "geotiff": geotiff(smooth(40, 56), **TILED, **PLACED),
    "another geotiff": geotiff(smooth(40, 56, seed=1), **TILED, **PLACED),
}
COORDS = np.array([(0, 0), (20, 24), (3, 7), (10, 24), (20, 0)])
TILE_PX = 16


@pytest.fixture(scope="module")
def crew():
    with Isolation(limit_s=30).crew() as crew:
        yield crew


def limits(stream_above_px):
    return ReadLimits(max_pixels=10**6, stream_above_px=stream_above_px)


@pytest.mark.parametrize("stream_above_px", [10**6, 1], ids=["held", "streamed"])
def test_every_photo_gives_the_same_chunks(crew, stream_above_px):
    """One process reads them all, so that nothing of one may be taken for the next."""
    how = {"tile_px": TILE_PX, "limits": limits(stream_above_px)}
    for name, data in GOOD.items():
        here = list(read_tiles(BytesIO(data), COORDS, **how))
        there = list(read_tiles_apart(crew, BytesIO(data), COORDS, **how))
        assert len(there) == len(here), name
        for (tiles, pixels), (same_tiles, same_pixels) in zip(there, here, strict=True):
            np.testing.assert_array_equal(tiles, same_tiles, name)
            np.testing.assert_array_equal(pixels, same_pixels, name)
            assert (tiles.dtype, pixels.dtype) == (same_tiles.dtype, same_pixels.dtype)
            assert pixels.flags.writeable
    assert len(crew._all) == 1


def test_a_photo_smaller_than_a_tile_is_continued_likewise(crew):
    how = {"tile_px": 64, "limits": limits(10**6)}
    (here,) = read_tiles(BytesIO(GOOD["png"]), np.zeros((1, 2), int), **how)
    (there,) = read_tiles_apart(crew, BytesIO(GOOD["png"]), np.zeros((1, 2), int), **how)
    np.testing.assert_array_equal(there[1], here[1])


@pytest.mark.parametrize(
    "data", [b"", b"no photo", GOOD["png"][:-40], GOOD["jpeg"][:-300], GOOD["geotiff"][:-500]]
)
@pytest.mark.parametrize("most_px", [10**6, 10])
def test_a_photo_is_refused_for_the_same_reason(crew, data, most_px):
    how = {"tile_px": TILE_PX, "limits": ReadLimits(most_px, most_px)}
    with pytest.raises(UnreadableImageError) as here:
        list(read_tiles(BytesIO(data), COORDS, **how))
    with pytest.raises(UnreadableImageError) as there:
        list(read_tiles_apart(crew, BytesIO(data), COORDS, **how))
    assert there.value.reason == here.value.reason


def test_a_held_photo_leaves_its_process_to_the_next_one(crew):
    """Its tiles may wait for long to be embedded."""
    waiting = []
    for data in [GOOD["png"], GOOD["jpeg"], GOOD["png alpha"]]:
        chunks = read_tiles_apart(
            crew, BytesIO(data), COORDS, tile_px=TILE_PX, limits=limits(10**6)
        )
        next(chunks)
        waiting.append(chunks)
    assert len(crew._all) == 1


class Liars:
    """A crew whose process says whatever it likes."""

    def __init__(self, *answers):
        self.answers = answers

    def run(self, *_, **__):
        return iter(self.answers)


def pixels(n_bytes):
    return np.zeros(n_bytes, np.uint8)


TILE_BYTES = TILE_PX * TILE_PX * 3


@pytest.mark.parametrize(
    "answers",
    [
        [Answer({"size_px": [40, 56]}, pixels(40 * 56 * 3 - 1))],
        [Answer({"size_px": [40, -56]}, pixels(0))],
        [Answer({"size_px": [40, 1.5]}, pixels(180))],
        [Answer({"size_px": [10**5, 10**5]}, pixels(0))],
        [Answer({"size_px": [40]}, pixels(120))],
        [Answer({"size_px": "ab"}, pixels(0))],
        [Answer({"size_px": [40, 56]}, pixels(40 * 56 * 3))] * 2,
        [Answer({"tiles": [0]}, pixels(TILE_BYTES - 1))],
        [Answer({"tiles": [len(COORDS)]}, pixels(TILE_BYTES))],
        [Answer({"tiles": [-1]}, pixels(TILE_BYTES))],
        [Answer({"tiles": [True]}, pixels(TILE_BYTES))],
        [Answer({"tiles": [0, 0]}, pixels(2 * TILE_BYTES))],
        [Answer({"tiles": [0]}, pixels(TILE_BYTES))] * 2,
        [Answer({"tiles": []}, pixels(0))] * 2,
        [Answer({}, pixels(0))],
        [],
    ],
)
def test_what_is_no_photo_and_no_tiles_is_not_believed(answers):
    with pytest.raises(LostDecoderError, match="no sensible answer"):
        list(
            apart.read_tiles_apart(
                Liars(*answers), BytesIO(), COORDS, tile_px=TILE_PX, limits=limits(10**6)
            )
        )
