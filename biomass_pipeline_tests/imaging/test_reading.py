"""The tiles of a photo are the same whether it is held whole or streamed, and each comes once."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from biomass_pipeline.config import TilingConfig
from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.imaging import ReadLimits, decode, read_tiles, reading
from biomass_pipeline.imaging.tiles import cut_tiles
from biomass_pipeline.tiling import tile_grid
from biomass_pipeline_tests.rasters import PLACED, geotiff, smooth

MAX_PIXELS = 10**8


def saved(pixels, kind, **options):
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def grid_of(height, width, spec):
    grid = tile_grid(height, width, spec)
    return np.stack([grid.row_px, grid.col_px], axis=1)


def tiles_of(data, coords, tile_px, *, stream_above_px):
    """The tiles in the order of `coords`; each must come once."""
    limits = ReadLimits(max_pixels=MAX_PIXELS, stream_above_px=stream_above_px)
    found = np.zeros((len(coords), tile_px, tile_px, 3), np.uint8)
    times = np.zeros(len(coords), int)
    for which, tiles in read_tiles(BytesIO(data), coords, tile_px=tile_px, limits=limits):
        found[which] = tiles
        times[which] += 1
    assert (times == 1).all()
    return found


def same_both_ways(data, size_px, spec):
    coords = grid_of(*size_px, spec)
    held = tiles_of(data, coords, spec.tile_px, stream_above_px=MAX_PIXELS)
    streamed = tiles_of(data, coords, spec.tile_px, stream_above_px=1)
    np.testing.assert_array_equal(streamed, held)


TILED = {"tiled": True, "blockxsize": 256, "blockysize": 256}
LARGE = {
    "tiled": lambda pixels: geotiff(pixels, **TILED, **PLACED),
    "striped": lambda pixels: geotiff(pixels, compress="deflate", **PLACED),
    "jpeg in tiff": lambda pixels: geotiff(
        pixels, **{**TILED, "compress": "jpeg", "photometric": "YCBCR"}
    ),
    "plain tiff": lambda pixels: saved(pixels, "TIFF", compression="tiff_lzw"),
    "jpeg": lambda pixels: saved(pixels, "JPEG", quality=90),
    "progressive": lambda pixels: saved(pixels, "JPEG", progressive=True, subsampling=0),
    "png": lambda pixels: saved(pixels, "PNG", compress_level=1),
    "webp": lambda pixels: saved(pixels, "WEBP", method=0),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_photo_of_3000_px_has_the_same_tiles_both_ways(kind):
    same_both_ways(LARGE[kind](smooth(3000, 1100)), (3000, 1100), TilingConfig())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_file_that_was_replaced_under_its_name_is_read_anew(kind, tmp_path):
    """libvips would remember a picture by the name of its file."""
    limits = ReadLimits(max_pixels=MAX_PIXELS, stream_above_px=1)
    file, seen = tmp_path / "photo", []
    for seed in (1, 2):
        file.write_bytes(saved(smooth(40, 50, seed=seed), kind))
        with file.open("rb") as stream:
            ((_, tiles),) = read_tiles(stream, np.zeros((1, 2), int), tile_px=32, limits=limits)
        seen.append(tiles)
    assert (seen[0] != seen[1]).any()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_the_same_both_ways(kind):
    pixels = smooth(300, 200, 4)
    pixels[:150, :, 3] = 0
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    spec = TilingConfig(tile_px=64, stride_px=50)
    same_both_ways(saved(pixels, kind, **options), (300, 200), spec)


def test_any_good_photo_is_the_same_both_ways(good_photo):
    size_px = decode(good_photo, max_pixels=MAX_PIXELS).shape[:2]
    same_both_ways(good_photo, size_px, TilingConfig(tile_px=24, stride_px=16))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@settings(max_examples=10)  # for each kind and orientation
@given(
    sizes=st.tuples(st.integers(4, 50), st.integers(4, 50)),
    tile_px=st.integers(8, 20),
    stride_px=st.integers(1, 8),
)
def test_tiles_are_upright_both_ways(kind, orientation, sizes, tile_px, stride_px):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif}
    data = saved(smooth(*sizes), kind, **options)
    upright = decode(data, max_pixels=MAX_PIXELS).shape[:2]
    assert upright == (sizes[::-1] if orientation >= 5 else sizes)
    same_both_ways(data, upright, TilingConfig(tile_px=tile_px, stride_px=stride_px))


def test_a_small_photo_gives_one_chunk_in_order():
    pixels = smooth(40, 60)
    for data in (saved(pixels, "JPEG"), geotiff(pixels, nodata=0)):
        coords = grid_of(40, 60, TilingConfig(tile_px=16, stride_px=10))
        limits = ReadLimits(max_pixels=MAX_PIXELS, stream_above_px=MAX_PIXELS)
        ((which, tiles),) = read_tiles(BytesIO(data), coords, tile_px=16, limits=limits)
        assert which.tolist() == list(range(len(coords)))
        assert len(tiles) == len(coords)


def test_many_tiles_of_a_photo_held_whole_come_in_chunks_that_are_cut_when_asked_for(monkeypatch):
    monkeypatch.setattr(reading, "_CHUNK_BYTES", 4 * 16 * 16 * 3)
    cut = []
    monkeypatch.setattr(reading, "cut_tiles", lambda *args: cut.append(1) or cut_tiles(*args))
    pixels = smooth(40, 60)
    coords = grid_of(40, 60, TilingConfig(tile_px=16, stride_px=12))
    limits = ReadLimits(max_pixels=MAX_PIXELS, stream_above_px=MAX_PIXELS)
    sizes, found = [], []
    stream = BytesIO(saved(pixels, "PNG"))
    for n_before, (which, tiles) in enumerate(
        read_tiles(stream, coords, tile_px=16, limits=limits)
    ):
        assert len(cut) == n_before + 1
        sizes.append(len(tiles))
        found += which.tolist()
        for (row, col), tile in zip(coords[which], tiles, strict=True):
            np.testing.assert_array_equal(tile, pixels[row : row + 16, col : col + 16])
    assert found == list(range(len(coords))) == list(range(15))
    assert sizes == [4, 4, 4, 3]


def test_the_tiles_of_an_ordinary_photo_are_one_chunk():
    pixels = smooth(1000, 2000)
    limits = ReadLimits(max_pixels=MAX_PIXELS, stream_above_px=MAX_PIXELS)
    coords = grid_of(1000, 2000, TilingConfig())
    ((which, _),) = read_tiles(BytesIO(saved(pixels, "JPEG")), coords, tile_px=518, limits=limits)
    assert len(which) == 15


@given(data=st.data())
def test_any_choice_of_tiles_may_be_asked_for(data):
    spec = TilingConfig(tile_px=16, stride_px=7)
    photo, coords = saved(smooth(80, 90), "PNG"), grid_of(80, 90, spec)
    chosen = coords[data.draw(st.lists(st.integers(0, len(coords) - 1), max_size=9))]
    held = tiles_of(photo, chosen, 16, stream_above_px=MAX_PIXELS)
    np.testing.assert_array_equal(tiles_of(photo, chosen, 16, stream_above_px=1), held)


@pytest.mark.parametrize("stream_above_px", [MAX_PIXELS, 1])
def test_nodata_is_white(stream_above_px):
    pixels = smooth(40, 40) | 1
    pixels[:20] = 0
    mask = np.ones((40, 40), bool)
    mask[:, 30:] = False
    data = geotiff(pixels, nodata=0, mask=mask)
    expected = np.where((pixels == 0).all(axis=2, keepdims=True) | ~mask[..., None], 255, pixels)
    (tile,) = tiles_of(data, np.array([[0, 0]]), 40, stream_above_px=stream_above_px)
    np.testing.assert_array_equal(tile, expected)


@pytest.mark.parametrize("stream_above_px", [MAX_PIXELS, 1])
@pytest.mark.parametrize("corner", [(-1, 0), (0, -1), (3, 0), (0, 3)])
def test_a_tile_outside_is_refused(corner, stream_above_px):
    with pytest.raises(ValueError, match="a tile of 8 px leaves the photo of 10 x 10 px"):
        tiles_of(
            saved(smooth(10, 10), "PNG"), np.array([corner]), 8, stream_above_px=stream_above_px
        )


def test_a_bomb_is_refused_before_it_is_read():
    limits = ReadLimits(max_pixels=99, stream_above_px=1)
    chunks = read_tiles(
        BytesIO(geotiff(smooth(10, 10))), np.zeros((1, 2), int), tile_px=8, limits=limits
    )
    with pytest.raises(UnreadableImageError, match="bomb: 10 x 10 px is more than 99"):
        next(chunks)


def test_a_large_photo_that_is_cut_off_is_an_error_while_it_is_streamed():
    data = LARGE["striped"](smooth(600, 500))
    with pytest.raises(UnreadableImageError, match="truncated"):
        tiles_of(data[: len(data) // 2], grid_of(600, 500, TilingConfig()), 518, stream_above_px=1)


def test_a_local_file_is_read_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.NamedTemporaryFile", None)
    pixels = smooth(50, 60)
    for name, data in (("a.tif", geotiff(pixels)), ("b!c[1].png", saved(pixels, "PNG"))):
        (tmp_path / name).write_bytes(data)
        limits = ReadLimits(max_pixels=MAX_PIXELS, stream_above_px=1)
        with (tmp_path / name).open("rb") as stream:
            ((_, tiles),) = read_tiles(stream, np.array([[3, 4]]), tile_px=16, limits=limits)
        np.testing.assert_array_equal(tiles[0], pixels[3:19, 4:20])


PEAK = """
import sys
import numpy as np
from biomass_pipeline.config import TilingConfig
from biomass_pipeline.imaging import ReadLimits, read_tiles
from biomass_pipeline.tiling import tile_grid

def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

path, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
grid = tile_grid(height, width, TilingConfig())
coords = np.stack([grid.row_px, grid.col_px], axis=1)
before, n_tiles = peak_kb(), 0
with open(path, "rb") as stream:
    for which, _ in read_tiles(stream, coords, tile_px=518, limits=ReadLimits(10**9, 10**6)):
        n_tiles += len(which)
assert n_tiles == len(coords)
print((peak_kb() - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", ["tiled", "jpeg"])
def test_the_peak_memory_is_below_that_of_the_whole(tmp_path, kind):
    height, width = 40_000, 2000
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 1] = np.arange(width) // 8
    path = tmp_path / "large"
    path.write_bytes(geotiff(pixels, **TILED) if kind == "tiled" else saved(pixels, "JPEG"))
    command = [sys.executable, "-c", PEAK, str(path), str(height), str(width)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(found.stdout) < 0.5 * pixels.nbytes
