import re
import sys
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO

import cv2
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.imaging import decode, decoder_identity
from biomass_pipeline.manifest import ImageFolder, image_manifest

MAX_PIXELS = 10_000
# The stored picture that each EXIF orientation turns into the same upright one (EXIF 2.32).
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright.transpose(1, 0, 2)[::-1],
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: upright.transpose(1, 0, 2)[:, ::-1],
}


def saved(array, kind="PNG", mode=None, **options):
    stream = BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def colours(height=5, width=7):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def verdict(data):
    """(status, reason, height, width) of the manifest for one file."""
    files = MemoryFileSystem()
    files.store.clear()
    files.pipe_file("/door/a.jpg", data)
    folder = ImageFolder("memory://door", base=None)
    row = image_manifest(folder, labels=None, sidecar=None, max_pixels=MAX_PIXELS).iloc[0]
    return row["status"], row["reason"], row["height_px"], row["width_px"]


def decoded(data):
    """The same verdict by decoding."""
    try:
        image = decode(data, max_pixels=MAX_PIXELS)
    except UnreadableImageError as error:
        return "quarantined", error.reason, 0, 0
    return "ok", "", *image.shape[:2]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_lossless_pixels_come_back_exactly(kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image = decode(saved(colours(), kind, **options), max_pixels=MAX_PIXELS)
    np.testing.assert_array_equal(image, colours())
    assert image.dtype == np.uint8


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_every_orientation_is_turned_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](colours()))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    options |= {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif}
    np.testing.assert_array_equal(
        decode(saved(stored, kind, **options), max_pixels=MAX_PIXELS), colours()
    )


ORDINARY = st.fixed_dictionaries(
    {
        "quality": st.integers(1, 100),
        "subsampling": st.sampled_from([0, 1, 2]),
        "progressive": st.booleans(),
        "optimize": st.booleans(),
        "restart_marker_rows": st.sampled_from([0, 1, 3]),
    }
)


@pytest.fixture
def counted(monkeypatch):
    """How often OpenCV gave the pixels."""
    times, imdecode = [], cv2.imdecode

    def count(*arguments):
        times.append(arguments)
        return imdecode(*arguments)

    monkeypatch.setattr(cv2, "imdecode", count)
    return times


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 99),
    options=ORDINARY,
    orientation=st.sampled_from(list(STORED)),
)
def test_an_ordinary_jpeg_has_pillows_pixels(size, seed, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    steps = np.random.default_rng(seed).integers(0, 40, (*size, 3))
    data = saved(np.cumsum(steps, axis=1).astype(np.uint8), "JPEG", exif=exif, **options)
    pillow = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))
    found = decode(data, max_pixels=MAX_PIXELS)
    np.testing.assert_array_equal(found, pillow)
    assert found.flags.writeable
    assert found.flags.c_contiguous


def test_opencv_decodes_ordinary_jpegs_and_nothing_else(counted):
    for kind, mode in (("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("WEBP", "RGB")):
        decode(saved(colours(), kind, mode), max_pixels=MAX_PIXELS)
        assert not counted
    decode(saved(colours(), "JPEG"), max_pixels=MAX_PIXELS)
    assert len(counted) == 1


def test_without_opencv_the_pixels_are_the_same(monkeypatch):
    data = saved(colours(50, 60), "JPEG")
    fast = decode(data, max_pixels=MAX_PIXELS)
    monkeypatch.setitem(sys.modules, "cv2", None)
    np.testing.assert_array_equal(decode(data, max_pixels=MAX_PIXELS), fast)


@pytest.mark.parametrize("answer", [None, np.zeros((2, 2, 3), np.uint8)])
def test_what_opencv_declines_is_pillows(monkeypatch, answer):
    data = saved(colours(50, 60), "JPEG")
    fast = decode(data, max_pixels=MAX_PIXELS)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: answer)
    np.testing.assert_array_equal(decode(data, max_pixels=MAX_PIXELS), fast)


def test_an_error_of_opencv_is_pillows_turn(monkeypatch):
    def fail(*_):
        raise cv2.error

    monkeypatch.setattr(cv2, "imdecode", fail)
    assert decode(saved(colours(), "JPEG"), max_pixels=MAX_PIXELS).shape == (5, 7, 3)


def test_the_decoders_of_ordinary_photos_are_named(monkeypatch):
    assert re.fullmatch(rf"opencv [\d.]+, pillow {version('pillow')}", decoder_identity())

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("biomass_pipeline.imaging.decoding.version", missing)
    assert decoder_identity() == "opencv none, pillow none"


def test_transparency_is_laid_on_white():
    rgba = np.zeros((1, 3, 4), dtype=np.uint8)
    rgba[0, :, 3] = [0, 255, 51]
    image = decode(saved(rgba), max_pixels=MAX_PIXELS)
    assert image[0].tolist() == [[255] * 3, [0] * 3, [204] * 3]


def test_a_transparent_palette_colour_is_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1])
    stream = BytesIO()
    picture.save(stream, "PNG", transparency=0)
    image = decode(stream.getvalue(), max_pixels=MAX_PIXELS)
    assert image[0].tolist() == [[255, 255, 255], [40, 50, 60]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_their_range(kind):
    grey = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    image = decode(saved(grey, kind), max_pixels=MAX_PIXELS)
    assert image[0, :, 0].tolist() == [0, 1, 128, 255]
    assert (image == image[:, :, :1]).all()


def test_cmyk_is_converted():
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    stream = BytesIO()
    cmyk.save(stream, "JPEG", quality=100)
    image = decode(stream.getvalue(), max_pixels=MAX_PIXELS)
    np.testing.assert_allclose(image[4, 4].astype(int), [255, 0, 0], atol=3)


def test_a_good_photo_is_upright_rgb(good_photo):
    image = decode(good_photo, max_pixels=MAX_PIXELS)
    assert image.shape in {(40, 56, 3), (56, 40, 3)}
    assert image.flags.writeable


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on damaged TIFF and EXIF
def test_a_bad_photo_is_refused_with_its_reason(bad_photo):
    reason, data = bad_photo
    with pytest.raises(UnreadableImageError) as caught:
        decode(data, max_pixels=MAX_PIXELS)
    assert caught.value.reason == reason
    assert f"cannot be decoded: {reason}" in str(caught.value)


def test_a_bomb_is_not_decoded():
    with pytest.raises(UnreadableImageError, match="bomb: 101 x 100 px is more than 10000"):
        decode(saved(colours(101, 100)), max_pixels=MAX_PIXELS)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on damaged TIFF and EXIF
def test_manifest_and_decoder_agree(any_photo):
    assert verdict(any_photo) == decoded(any_photo)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on damaged TIFF and EXIF
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP"]))
def test_manifest_and_decoder_agree_on_any_damage(data, kind):
    whole = saved(colours(20, 30), kind)
    start = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=20))
    damaged = whole[:start] + noise + whole[start + data.draw(st.integers(0, 40)) :]
    assert verdict(damaged) == decoded(damaged)
