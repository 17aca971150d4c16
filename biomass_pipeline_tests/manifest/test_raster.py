"""TIFFs through GDAL: the samples that Pillow gives, and what only a raster reader sees."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.manifest import HeldPhoto, ReadLimits, inspect_photo, open_photo
from biomass_pipeline.manifest.raster import RasterPhoto
from biomass_pipeline_tests.rasters import PLACED, TILED, geotiff, smooth

HELD, STREAMED = 10**6, 1


def photo_of(data, stream_above_px=STREAMED):
    limits = ReadLimits(max_pixels=10**6, stream_above_px=stream_above_px)
    return open_photo(BytesIO(data), limits=limits)


def whole(photo, name="samples", **options):
    bands = list(photo.picture(**options).bands)
    pieces = [band.valid() if name == "valid" else getattr(band, name) for band in bands]
    return bands[0].mode, np.concatenate(pieces)


def shown(photo):
    """Mode and samples, with grey repeated as Pillow repeats it."""
    mode, samples = whole(photo)
    return np.broadcast_to(samples, (*samples.shape[:2], 3)) if mode == "L" else samples


KINDS = {
    "rgb": (3, {}),
    "tiled": (3, TILED),
    "deflate": (3, {"compress": "deflate", **TILED}),
    "predictor": (3, {"compress": "lzw", "predictor": 2, **TILED}),
    "zstd": (3, {"compress": "zstd"}),
    "jpeg": (3, {"compress": "jpeg", **TILED}),
    "big": (3, {"bigtiff": "YES", **TILED}),
    "rgba": (4, {"alpha": "YES"}),
    "premultiplied": (4, {"alpha": "PREMULTIPLIED"}),
    "fourth": (4, {"alpha": "UNSPECIFIED"}),
    "grey": (1, {}),
    "white is zero": (1, {"photometric": "MINISWHITE"}),
}


# JPEG has eight bits.
DEPTHS = [(kind, dtype) for kind in KINDS for dtype in (np.uint8, np.uint16)]


@pytest.mark.parametrize(("kind", "dtype"), [d for d in DEPTHS if d != ("jpeg", np.uint16)])
def test_samples_are_those_that_pillow_gives(kind, dtype):
    count, options = KINDS[kind]
    data = geotiff(smooth(70, 90, count, dtype=dtype), **options)
    held, streamed = photo_of(data, HELD), photo_of(data)
    assert isinstance(held, HeldPhoto)
    assert isinstance(streamed, RasterPhoto)
    np.testing.assert_array_equal(shown(streamed), shown(held))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bands_stored_apart_are_gdals_at_any_size(dtype):
    # Pillow 13 mixes up 16-bit samples that are stored band after band.
    pixels = smooth(70, 90, dtype=dtype)
    photo = photo_of(geotiff(pixels, interleave="band", **TILED), HELD)
    assert isinstance(photo, RasterPhoto)
    np.testing.assert_array_equal(shown(photo), pixels >> 8 if dtype == np.uint16 else pixels)


@pytest.mark.parametrize("n_bits", [1, 2, 4])
@pytest.mark.parametrize("photometric", ["MINISBLACK", "MINISWHITE"])
def test_few_bits_are_scaled_as_pillow_does(n_bits, photometric):
    data = geotiff(smooth(30, 40, 1) % 2**n_bits, nbits=n_bits, photometric=photometric)
    np.testing.assert_array_equal(shown(photo_of(data)), shown(photo_of(data, HELD)))


@pytest.mark.parametrize("options", [{"photometric": "CMYK"}, {"photometric": "YCBCR"}])
def test_colours_that_gdal_converts_are_gdals_at_any_size(options):
    count = 4 if options["photometric"] == "CMYK" else 3
    jpeg = {"compress": "jpeg"} if count == 3 else {}
    data = geotiff(smooth(40, 40, count), **options, **jpeg, **TILED)
    assert isinstance(photo_of(data, HELD), RasterPhoto)
    assert whole(photo_of(data))[0] == "RGB"


def test_bands_follow_each_other_without_a_gap():
    data = geotiff(smooth(3000, 1000, 1), tiled=True, blockxsize=128, blockysize=128)
    limits = ReadLimits(max_pixels=10**7, stream_above_px=1)
    bands = list(open_photo(BytesIO(data), limits=limits).picture().bands)
    assert len(bands) > 1
    assert all(band.row_px % 128 == 0 for band in bands)
    ends = np.cumsum([len(band.samples) for band in bands])
    assert [band.row_px for band in bands] == [0, *ends[:-1]]
    assert ends[-1] == 3000


@given(data=st.data(), alpha=st.booleans(), masked=st.booleans())
def test_a_pixel_is_valid_unless_nodata_mask_or_alpha_say_otherwise(data, alpha, masked):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    pixels = rng.integers(0, 2, (12, 17, 4 if alpha else 3), dtype=np.uint8)
    mask = rng.integers(0, 2, (12, 17)).astype(bool) if masked and not alpha else None
    nodata = data.draw(st.sampled_from([None, 0, 1, 77]))
    options = {"nodata": nodata} | ({"alpha": "YES"} if alpha else {})
    expected = np.ones((12, 17), bool)
    if nodata is not None:
        expected &= (pixels[..., :3] != nodata).any(axis=2)
    if alpha:
        expected &= pixels[..., 3] != 0
    if mask is not None:
        expected &= mask
    photo = photo_of(geotiff(pixels, mask=mask, **options))
    np.testing.assert_array_equal(whole(photo, "valid")[1], expected)
    np.testing.assert_array_equal(whole(photo, "valid", only_validity=True)[1], expected)


@pytest.mark.parametrize("nodata", ["nan", "-9999", "0.5", "no number"])
def test_nodata_that_no_pixel_can_hold_hides_nothing(nodata):
    # GDAL refuses to write these; others do not.
    data = geotiff(smooth(20, 20), nodata=123).replace(b"123\0", nodata.encode()[:3] + b"\0")
    assert whole(photo_of(data), "valid")[1].all()


def test_deep_samples_are_compared_before_they_are_scaled():
    pixels = np.full((8, 8, 3), 1000, np.uint16)
    pixels[0, 0] = 1001
    assert whole(photo_of(geotiff(pixels, nodata=1001)), "valid")[1].sum() == 63


def test_the_place_is_that_of_the_upright_photo():
    place = photo_of(geotiff(smooth(20, 30), **PLACED)).place()
    assert (place.crs, place.transform) == ("EPSG:32755", "0.5 0.0 600000.0 0.0 -0.25 6000000.0")
    assert photo_of(geotiff(smooth(20, 30), crs="EPSG:4326")).place().transform == ""
    assert photo_of(geotiff(smooth(20, 30))).place().crs == ""


def test_overviews_and_masks_are_no_pages():
    photo = photo_of(geotiff(smooth(20, 30), mask=np.ones((20, 30), bool)))
    assert photo.facts.has_mask
    assert photo.warning == "nodata shown white"


def test_a_file_beside_it_changes_nothing(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(geotiff(smooth(20, 30), **PLACED))
    (tmp_path / "a.tfw").write_text("9\n0\n0\n-9\n1\n1\n")
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:32601</SRS><GeoTransform>1, 9, 0, 1, 0, -9</GeoTransform>"
        "<PAMRasterBand band='1'><NoDataValue>0</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    with path.open("rb") as stream:
        found = inspect_photo(stream, limits=ReadLimits(10**6, 1))
    assert found.place.crs == "EPSG:32755"
    assert found.place.transform.startswith("0.5 0.0 600000.0")
    assert found.valid_fraction == 1.0


@pytest.mark.parametrize("compress", ["none", "deflate", "lzw", "jpeg", "zstd"])
def test_a_raster_cut_off_anywhere_is_truncated(compress):
    data = geotiff(smooth(200, 200), compress=compress, **TILED)
    for n_bytes in np.linspace(len(data) // 2, len(data) - 1, 20).astype(int):
        with pytest.raises(UnreadableImageError) as caught:
            inspect_photo(BytesIO(data[:n_bytes]), limits=ReadLimits(10**6, 1))
        assert caught.value.reason == "truncated"
