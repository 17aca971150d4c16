from io import BytesIO

import pytest
from PIL import Image, JpegImagePlugin, PngImagePlugin

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.manifest import load_photo


def load(data, max_pixels=1000):
    return load_photo(BytesIO(data), max_pixels=max_pixels)


def saved(image, kind="PNG", **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_photo(photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load(photo(kind="JPEG", height=6, width=9, exif=exif))
    assert loaded.size_px == ((9, 6) if orientation >= 5 else (6, 9))
    assert loaded.orientation == orientation


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_unknown_orientation_is_upright(photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert load(photo(kind="JPEG", exif=exif)).orientation == 1


def test_damaged_exif_does_not_cost_the_photo(photo, monkeypatch):
    def fail(_):
        raise SyntaxError

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "getexif", fail)
    assert load(photo(kind="JPEG")).orientation == 1


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
    ],
)
def test_what_decoding_changes_is_said(image, kind, warning):
    assert load(saved(image, kind)).warning == warning


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_an_animation_is_its_first_frame(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    loaded = load(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert loaded.warning == "animated: first frame"
    red, _, blue = loaded.image.convert("RGB").getpixel((0, 0))
    assert red > blue


def test_any_changed_byte_of_a_png_is_found(photo):
    data = photo()
    # The last chunk (length, name, checksum) holds no pixel.
    for position in range(8, len(data) - 12):
        damaged = bytearray(data)
        damaged[position] ^= 255
        with pytest.raises(UnreadableImageError):
            load(bytes(damaged))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_cut_anywhere_is_not_ok(photo, kind):
    data = photo(kind=kind)
    # The last four bytes of a PNG are the checksum of its end, not of its pixels.
    for n_bytes in range(1, len(data) - (4 if kind == "PNG" else 0)):
        with pytest.raises(UnreadableImageError):
            load(data[:n_bytes])


def test_pillows_own_limit_is_a_reason(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(
        UnreadableImageError, match="bomb: more than 20 px, Pillow's limit for WEBP"
    ):
        load(photo(kind="WEBP"))


def test_pillows_own_limit_does_not_bind_others(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert load(photo()).size_px == (6, 9)


def test_want_of_memory_is_a_reason(photo, monkeypatch):
    def fail(_):
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(UnreadableImageError, match="unreadable: not enough memory"):
        load(photo())
