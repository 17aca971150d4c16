"""A JPEG that ends early is refused, whatever a decoder would fill it up with."""

import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.imaging import decode
from biomass_pipeline.manifest import ReadLimits, inspect_photo
from biomass_pipeline.manifest.vips import libvips
from biomass_pipeline_tests.imaging.conftest import encode, scene

END = b"\xff\xd9"
KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "grey": {"mode": "L"},
    "cmyk": {"mode": "CMYK"},
}


def photo(*, mode="RGB", height=400, **options):
    return encode(scene(height, 560, mode), "JPEG", quality=95, **options)


def reason(data, *, stream_above_px=10**9):
    limits = ReadLimits(max_pixels=10**9, stream_above_px=stream_above_px)
    with pytest.raises(UnreadableImageError) as caught:
        inspect_photo(BytesIO(data), limits=limits)
    return caught.value.reason


@pytest.mark.parametrize("stream_above_px", [10**9, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_cut_short_but_ended_is_truncated(kind, stream_above_px):
    data = photo(**KINDS[kind])
    cut = data[: len(data) // 2] + END
    assert reason(cut, stream_above_px=stream_above_px) == "truncated"
    with pytest.raises(UnreadableImageError, match="truncated"):
        decode(cut, max_pixels=10**9)


@pytest.mark.parametrize("stream_above_px", [10**9, 100])
def test_a_photo_that_says_to_be_larger_is_truncated(stream_above_px):
    data = bytearray(photo())
    struct.pack_into(">HH", data, data.find(b"\xff\xc0\x00") + 5, 410, 560)
    assert reason(bytes(data), stream_above_px=stream_above_px) == "truncated"


def test_a_file_too_short_for_its_blocks_is_not_decoded():
    data = bytearray(photo(progressive=True))
    struct.pack_into(">HH", data, data.find(b"\xff\xc2\x00") + 5, 10_000, 60_000)
    assert reason(bytes(data)) == "truncated"


@pytest.mark.parametrize("stream_above_px", [10**9, 100])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_photo_of_grey_is_read(options, stream_above_px):
    grey = encode(Image.new("RGB", (56, 40), (128, 128, 128)), "JPEG", **options)
    limits = ReadLimits(max_pixels=10**9, stream_above_px=stream_above_px)
    assert inspect_photo(BytesIO(grey), limits=limits).size_px == (40, 56)
    assert decode(grey, max_pixels=10**9).shape == (40, 56, 3)


def test_photos_that_are_read_at_once_do_not_hide_what_others_lack():
    data = photo()
    cut = data[: len(data) // 2] + END
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: reason(cut, stream_above_px=100), range(60)))
    assert set(found) == {"truncated"}


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (9, 17)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_tiny_photo_is_read(size, options):
    tiny = encode(Image.new("RGB", size, (128, 128, 128)), "JPEG", **options)
    assert decode(tiny, max_pixels=10**9).shape == (*size[::-1], 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_without_libvips_whole_photos_are_read(monkeypatch, options):
    """As in a kernel of Kaggle: `None` in its place makes importing it fail."""
    monkeypatch.setitem(sys.modules, "pyvips", None)
    libvips.cache_clear()
    grey = encode(Image.new("RGB", (56, 40), (128, 128, 128)), "JPEG", **options)
    assert decode(grey, max_pixels=10**9).shape == (40, 56, 3)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_what_comes_in_passes_must_not_be_huge(kind, monkeypatch):
    image = libvips().Image.new_from_array(np.asarray(scene()))
    data = image.write_to_buffer(f".{kind}", interlace=True)
    monkeypatch.setattr("biomass_pipeline.manifest.photograph._MOST_IN_PASSES_PX", 2_000)
    assert reason(data, stream_above_px=100).startswith("decompression bomb: 40 x 56 px, progr")
