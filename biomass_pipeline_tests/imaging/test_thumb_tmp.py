"""Small pictures of photos: means of squares, of valid pixels only, however the photo is read."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from biomass_pipeline.imaging import ReadLimits, decode, read_thumbnail
from biomass_pipeline_tests.rasters import TILED, geotiff, smooth

STREAMED, HELD = 1, 10**6


def seen(data, max_side_px, *, stream_above_px=HELD):
    limits = ReadLimits(max_pixels=10**6, stream_above_px=stream_above_px)
    return read_thumbnail(BytesIO(data), max_side_px=max_side_px, limits=limits)


@given(height=st.integers(1, 90), width=st.integers(1, 90), side=st.integers(5, 100))
def test_a_pixel_is_the_mean_of_a_square(height, width, side):
    data = geotiff(smooth(height, width))
    whole = decode(data, max_pixels=10**6).astype(float)
    found = seen(data, side)
    square = -(-max(height, width) // side)
    assert max(found.pixels.shape[:2]) <= side
    for row, col in ((0, 0), (found.pixels.shape[0] - 1, found.pixels.shape[1] - 1)):
        part = whole[row * square :, col * square :][:square, :square]
        np.testing.assert_allclose(found.pixels[row, col], part.mean(axis=(0, 1)), atol=0.51)
    assert found.valid.all()


@pytest.mark.parametrize("stream_above_px", [HELD, STREAMED])
def test_nodata_is_left_out_of_the_mean(stream_above_px):
    pixels = np.full((64, 96, 3), 100, np.uint8)
    pixels[:, 32:34], pixels[:32, 48:] = 0, 0
    data = geotiff(pixels, nodata=0, **TILED)
    found = seen(data, 6, stream_above_px=stream_above_px)
    assert found.valid.tolist() == [[True] * 3 + [False] * 3] * 2 + [[True] * 6] * 2
    assert (found.pixels[found.valid] == 100).all()
    assert (found.pixels[~found.valid] == 255).all()


def test_a_streamed_photo_looks_as_a_held_one():
    data = geotiff(smooth(200, 130), **TILED)
    held, streamed = (seen(data, 40, stream_above_px=limit) for limit in (HELD, STREAMED))
    np.testing.assert_array_equal(held.pixels, streamed.pixels)


def test_it_stands_upright():
    image = Image.new("RGB", (40, 20))
    image.paste((255, 255, 255), (0, 0, 20, 20))
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    image.save(file, format="PNG", exif=exif)
    found = seen(file.getvalue(), 10)
    assert found.pixels.shape == (10, 5, 3)
    assert found.pixels[:, 0, 0].tolist() == [255] * 5 + [0] * 5
