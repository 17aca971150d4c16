"""A hash follows the picture, not the file: saved, resized and turned copies keep theirs."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from biomass_pipeline.manifest import ImageFolder, ReadLimits, image_manifest, inspect_photo
from biomass_pipeline.manifest.perception import hash_bits, turned
from biomass_pipeline.manifest.resemblance import LIKELY_BITS
from biomass_pipeline_tests.rasters import TILED, geotiff

LIMITS = ReadLimits(max_pixels=10**9, stream_above_px=10**9)
STREAMED = ReadLimits(max_pixels=10**9, stream_above_px=1)


def scene(seed, *, height=192, width=256):
    """A picture of blobs of all sizes, as photos of plants are."""
    chance = np.random.default_rng(seed)
    whole = np.zeros((height, width, 3))
    for cells in (4, 8, 16, 32, 64):
        small = Image.fromarray(chance.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        whole += np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), float) / 5
    return Image.fromarray(whole.astype(np.uint8))


def saved(image, kind="PNG", **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def hash_of(stream, limits=LIMITS):
    return inspect_photo(stream, limits=limits).perceptual_hash


def apart(first, second):
    return int((hash_bits([first]) != hash_bits([second])).sum())


@pytest.fixture(scope="module")
def original():
    return hash_of(saved(scene(0)))


def test_a_hash_is_sixteen_hexadecimal_digits(original):
    assert len(original) == 16
    assert int(original, 16) > 0


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(lambda image: saved(image, "JPEG", quality=30), id="saved again"),
        pytest.param(lambda image: saved(image.resize((128, 96))), id="half the size"),
        pytest.param(lambda image: saved(image.resize((400, 300))), id="larger"),
        pytest.param(lambda image: saved(image.point(lambda v: min(v * 1.1, 255))), id="brighter"),
        pytest.param(lambda image: saved(image.convert("L")), id="grey"),
        pytest.param(lambda image: saved(image.convert("CMYK"), "TIFF"), id="for print"),
        pytest.param(lambda image: saved(image.convert("RGBA")), id="with alpha"),
        pytest.param(lambda image: saved(image.quantize(64)), id="with a palette"),
    ],
)
def test_a_copy_is_near(original, copy):
    assert apart(original, hash_of(copy(scene(0)))) <= LIKELY_BITS


@settings(max_examples=20)
@given(st.integers(1, 400))
def test_another_picture_is_far(seed):
    assert apart(hash_of(saved(scene(0))), hash_of(saved(scene(seed)))) > 2 * LIKELY_BITS


def test_a_photo_that_goes_by_in_bands_has_the_hash_of_one_that_is_held(original):
    for kind in ("PNG", "JPEG"):
        held = hash_of(saved(scene(0), kind))
        assert apart(held, hash_of(saved(scene(0), kind), STREAMED)) <= 1
    tiff = geotiff(np.asarray(scene(0)), **TILED)
    assert apart(original, hash_of(BytesIO(tiff) if isinstance(tiff, bytes) else tiff)) <= 1


def test_a_photo_of_sixteen_bits_is_hashed():
    grey = np.asarray(scene(0).convert("L"), dtype=np.uint16) * 257
    wide = hash_of(saved(Image.fromarray(grey)))
    assert apart(wide, hash_of(saved(scene(0).convert("L")))) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_hash_is_that_of_the_upright_photo(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = scene(0)
    plain = saved(stored, "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(plain))
    upright.info.pop("exif", None)
    plain.seek(0)
    assert apart(hash_of(plain), hash_of(saved(upright))) <= 1


def test_each_turn_has_the_bits_that_its_picture_has(original):
    """All eight, and each once."""
    turns = [None, *Image.Transpose]
    pictures = [scene(0) if turn is None else scene(0).transpose(turn) for turn in turns]
    found = [hash_bits([hash_of(saved(picture))])[0] for picture in pictures]
    predicted = [bits[0] for bits in turned(hash_bits([original]))]
    nearest = [int(np.argmin([(bits != other).sum() for other in predicted])) for bits in found]
    assert sorted(nearest) == list(range(8))
    for bits, place in zip(found, nearest, strict=True):
        assert (bits != predicted[place]).sum() <= 2


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((64, 64, 3), 90),
        np.broadcast_to(np.linspace(0, 255, 64)[:, None], (64, 64))[..., None].repeat(3, 2),
    ],
    ids=["plain", "a gradient of light"],
)
def test_a_picture_without_structure_has_no_hash(pixels):
    assert hash_of(saved(Image.fromarray(pixels.astype(np.uint8)))) == ""


def test_the_manifest_has_it_and_remembers_it(tmp_path):
    (tmp_path / "photos").mkdir()
    scene(0).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.png").write_bytes(b"no photo")

    def manifest():
        return image_manifest(
            ImageFolder("photos", base=tmp_path),
            labels=None,
            sidecar=tmp_path / "sidecar.parquet",
            max_pixels=10**6,
        )

    first, again = manifest(), manifest()
    assert first["perceptual_hash"].tolist() == [hash_of(saved(scene(0))), ""]
    assert again.equals(first)
