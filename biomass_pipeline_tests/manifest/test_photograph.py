from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image, JpegImagePlugin, PngImagePlugin

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.manifest import HeldPhoto, ReadLimits, open_photo
from biomass_pipeline.manifest.orientation import ORIENTATIONS
from biomass_pipeline_tests.rasters import PLACED, geotiff, smooth

HELD, STREAMED = 1000, 0


def photo_of(data, stream_above_px=HELD, max_pixels=1000):
    limits = ReadLimits(max_pixels=max_pixels, stream_above_px=stream_above_px)
    return open_photo(BytesIO(data), limits=limits)


def load(data, stream_above_px=HELD):
    """The whole picture, every band read."""
    picture = photo_of(data, stream_above_px).picture()
    return replace(picture, bands=iter(list(picture.bands)))


def saved(image, kind="PNG", **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("stream_above_px", [HELD, STREAMED])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_photo(photo, kind, orientation, stream_above_px):
    data = photo(kind=kind, height=6, width=9, **turned(kind, orientation))
    assert load(data, stream_above_px).size_px == ((9, 6) if orientation >= 5 else (6, 9))


@pytest.mark.parametrize("stream_above_px", [HELD, STREAMED])
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_unknown_orientation_is_upright(photo, kind, orientation, stream_above_px):
    data = photo(kind=kind, **turned(kind, orientation))
    assert load(data, stream_above_px).orientation == ORIENTATIONS[1]


def turned(kind, orientation):
    """How Pillow is told to write it."""
    if kind == "TIFF":
        return {"tiffinfo": {0x0112: orientation}}
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


def test_a_png_may_end_with_its_exif(photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = photo(exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    late = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    for stream_above_px in (HELD, STREAMED):
        assert load(late, stream_above_px).orientation == ORIENTATIONS[6]


def test_damaged_exif_does_not_cost_the_photo(photo, monkeypatch):
    def fail(_):
        raise SyntaxError

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "getexif", fail)
    assert load(photo(kind="JPEG")).orientation == ORIENTATIONS[1]


@pytest.mark.parametrize(
    ("image", "kind", "warning"),
    [
        (Image.new("RGB", (4, 4)), "JPEG", ""),
        (Image.new("P", (4, 4)), "PNG", ""),
        (Image.new("L", (4, 4)), "JPEG", "grey repeated"),
        (Image.new("1", (4, 4)), "TIFF", "grey repeated"),
        (Image.new("RGBA", (4, 4)), "WEBP", "alpha flattened on white"),
        (Image.new("LA", (4, 4)), "PNG", "grey repeated; alpha flattened on white"),
        (Image.new("CMYK", (4, 4)), "JPEG", "CMYK converted"),
        (Image.new("I;16", (4, 4)), "PNG", "16-bit scaled by range; grey repeated"),
        (Image.new("I;16", (4, 4)), "TIFF", "16-bit scaled by range; grey repeated"),
        (Image.new("RGBX", (4, 4)), "TIFF", "extra band left out"),
    ],
)
def test_what_decoding_changes_is_said(image, kind, warning):
    assert photo_of(saved(image, kind)).warning == warning
    assert photo_of(saved(image, kind), STREAMED).warning == warning


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_an_animation_is_its_first_frame(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    for stream_above_px in (HELD, STREAMED):
        assert photo_of(data, stream_above_px).warning == "animated: first frame"
        red, _, blue = next(load(data, stream_above_px).bands).samples[0, 0, :3]
        assert red > blue


def test_any_changed_byte_of_a_png_is_found(photo):
    data = photo()
    # The last chunk (length, name, checksum) holds no pixel.
    for position in range(8, len(data) - 12):
        damaged = bytearray(data)
        damaged[position] ^= 255
        for stream_above_px in (HELD, STREAMED):
            with pytest.raises(UnreadableImageError):
                load(bytes(damaged), stream_above_px)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_cut_anywhere_is_not_ok(photo, kind):
    data = photo(kind=kind)
    # The last four bytes of a PNG are the checksum of its end, not of its pixels.
    for n_bytes in range(1, len(data) - (4 if kind == "PNG" else 0)):
        for stream_above_px in (HELD, STREAMED):
            with pytest.raises(UnreadableImageError):
                load(data[:n_bytes], stream_above_px)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pillows_own_limit_binds_no_photo(photo, kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert load(photo(kind=kind)).size_px == (6, 9)


@pytest.mark.parametrize("stream_above_px", [HELD, STREAMED])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_bomb_is_refused_by_its_header(photo, kind, stream_above_px):
    with pytest.raises(UnreadableImageError, match="bomb: 6 x 9 px is more than 53"):
        photo_of(photo(kind=kind), stream_above_px, max_pixels=53)


def test_a_bomb_of_one_large_block_is_refused():
    data = geotiff(smooth(20, 20), tiled=True, blockxsize=256, blockysize=256)
    with pytest.raises(UnreadableImageError, match="bomb: 256 x 256 px is more than 1000"):
        photo_of(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (geotiff(smooth(9, 9, 5)), "5 bands of 8-bit integer are not supported"),
        (geotiff(smooth(9, 9).astype("float32")), "3 bands of 32-bit float are not supported"),
        (geotiff(smooth(9, 9).astype("int16")), "3 bands of 16-bit signed integer are not"),
        (geotiff(smooth(9, 9, 1).astype("float32")), "colour mode F is not supported"),
        (geotiff(smooth(9, 9), photometric="MINISBLACK"), "colour layout is not supported: 3 x 8"),
        (geotiff(smooth(9, 9), compress="lerc"), "TIFF compression 34887 is not supported"),
    ],
)
def test_what_is_no_photo_is_refused_by_name(data, reason):
    for stream_above_px in (HELD, STREAMED):
        with pytest.raises(UnreadableImageError, match=f"cannot be decoded: {reason}"):
            photo_of(data, stream_above_px)


def test_only_small_and_plain_photos_are_held_whole(photo):
    plain = geotiff(smooth(6, 9))
    for data in (photo(), photo(kind="JPEG"), photo(kind="WEBP"), plain):
        assert isinstance(photo_of(data), HeldPhoto)
        assert not isinstance(photo_of(data, 53), HeldPhoto)
        assert isinstance(photo_of(data, 54), HeldPhoto)
    assert not isinstance(photo_of(geotiff(smooth(6, 9), **PLACED)), HeldPhoto)
    assert not isinstance(photo_of(geotiff(smooth(6, 9), nodata=0)), HeldPhoto)


def test_want_of_memory_is_a_reason(photo, monkeypatch):
    def fail(_):
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(UnreadableImageError, match="unreadable: not enough memory"):
        load(photo())
