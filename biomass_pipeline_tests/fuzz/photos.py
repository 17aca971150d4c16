"""Photos that are not what they say, and how the product is asked to read one."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from biomass_pipeline.config import DataConfig, ImagingConfig, TilingConfig
from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.features.photos import Photo, Reading, chunks_of
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.manifest import ImageFolder, image_manifest
from biomass_pipeline.manifest.vips import libvips
from biomass_pipeline.tiling import tile_grid
from biomass_pipeline_tests.fuzz.damage import damaged
from biomass_pipeline_tests.fuzz.trial import Broken, Item
from biomass_pipeline_tests.imaging.conftest import GOOD, encode, scene
from biomass_pipeline_tests.rasters import PLACED, TILED, geotiff, smooth

_MAX_PIXELS = DataConfig().max_pixels
_TILING = TilingConfig(tile_px=64, stride_px=64)
# A photo of more pixels has more tiles than need to be cut to know that it can be.
_MOST_TILES = 40
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".JPG")
# Photos that are tried together; fewer would mostly make tables.
_A_FOLDER = 10
# The photo as users have it, and one so large that it is never held whole.
HELD, STREAMED = ImagingConfig().stream_above_px, 100


def read_photos(content: tuple[dict[str, bytes], int], folder: Path) -> list[str]:
    """Read photos as the graph does: the manifest first, then the tiles of what it trusts.

    Args:
        content: The photos by name, and above how many pixels they are streamed.
        folder: An empty one.

    Returns:
        One verdict a photo.

    Raises:
        Broken: The manifest lacks a photo, says no reason, or trusts what gives no tiles.
    """
    files, stream_above_px = content
    photos = folder / "photos"
    photos.mkdir()
    for name, data in files.items():
        (photos / name).write_bytes(data)
    verdicts = read_folder(photos, stream_above_px)
    if set(verdicts) != set(files):
        raise Broken(f"not in the manifest: {set(files) - set(verdicts)}")
    return list(verdicts.values())


def read_folder(photos: Path, stream_above_px: int = HELD) -> dict[str, str]:
    """As above, whatever lies in a folder: verdicts by path."""
    source = ImageFolder(str(photos), base=photos)
    limits = ReadLimits(max_pixels=_MAX_PIXELS, stream_above_px=stream_above_px)
    table = image_manifest(
        source,
        labels=None,
        sidecar=photos.parent / "hashes.parquet",
        max_pixels=_MAX_PIXELS,
        stream_above_px=stream_above_px,
    )
    if {path.name for path in photos.parent.iterdir()} - {photos.name, "hashes.parquet"}:
        raise Broken("something lies beside the photos")
    return {row.path: _judged(row, source, limits) for row in table.itertuples()}


def read_made(make: Callable[[Path], None], folder: Path) -> list[str]:
    """Read a folder that something else than writing bytes has made."""
    photos = folder / "photos"
    photos.mkdir()
    make(photos)
    return list(read_folder(photos).values()) or ["left out"]


def _judged(row: Any, source: ImageFolder, limits: ReadLimits) -> str:
    if row.status == "quarantined":
        if not row.reason:
            raise Broken(f"{row.path} is quarantined without a reason")
        return f"quarantined: {row.reason.partition(':')[0]}"
    grid = tile_grid(row.height_px, row.width_px, _TILING)
    coords = np.stack([grid.row_px, grid.col_px], axis=1)[-_MOST_TILES:]
    reading = Reading(source.open, _TILING.tile_px, limits, threads=1)
    photo = Photo(row.path, row.sha256, coords)
    try:
        seen = sum(len(one.tiles) for one in chunks_of(photo, 0, np.arange(len(coords)), reading))
    except UnreadableImageError as error:
        raise Broken(f"{row.path} is trusted, but its tiles say: {error.reason}") from error
    if seen != len(coords):
        raise Broken(f"{row.path}: {seen} of {len(coords)} tiles came")
    return "read"


def damaged_photos(number: int, *, seed: int) -> Iterator[Item]:
    """Photos damaged by chance, of every encoding in turn; every other folder is streamed."""
    sources = encodings()
    for start in range(0, number, _A_FOLDER):
        places = range(start, min(start + _A_FOLDER, number))
        files = dict(_damaged(place, sources, seed) for place in places)
        limit = (HELD, STREAMED)[start // _A_FOLDER % 2]
        yield Item(f"photos {start}.. of seed {seed}, over {limit} px", (files, limit))


def _damaged(place: int, sources: dict[str, bytes], seed: int) -> tuple[str, bytes]:
    chance, names = np.random.default_rng([seed, place]), list(sources)
    name, other = names[place % len(names)], names[chance.integers(len(names))]
    way, data = damaged(sources[name], sources[other], chance)
    suffix = _SUFFIXES[chance.integers(len(_SUFFIXES))]
    return f"{place} {name.replace(':', '')}, {way}{suffix}", data


@cache
def encodings() -> dict[str, bytes]:
    """The same small scene as people's files have it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    camera = Image.Exif()
    camera[0x010F], camera[0x0112], camera[0x0132] = "Maker", 8, "2015:09:04 10:00:00"
    interlaced = libvips().Image.new_from_array(np.asarray(scene()))
    bilevel = scene(mode="1")
    return {
        **GOOD,
        "jpeg camera": encode(scene(), "JPEG", exif=camera, icc_profile=profile, comment=b"field"),
        "jpeg restarts": encode(scene(), "JPEG", restart_marker_rows=1),
        "png camera": encode(scene(), "PNG", exif=camera, icc_profile=profile),
        "png interlaced": interlaced.pngsave_buffer(interlace=True),
        "webp camera": encode(scene(), "WEBP", exif=camera, icc_profile=profile),
        "webp lossless": encode(scene(), "WEBP", lossless=True),
        "tiff camera": encode(scene(), "TIFF", icc_profile=profile, dpi=(72, 72)),
        "tiff deflate": encode(scene(), "TIFF", compression="tiff_adobe_deflate"),
        "tiff fax": encode(bilevel, "TIFF", compression="group4"),
        "tiff bilevel": encode(bilevel, "TIFF"),
        "tiff cmyk": encode(scene(mode="CMYK"), "TIFF"),
        "tiff big": encode(scene(), "TIFF", big_tiff=True),
        "geotiff": geotiff(smooth(40, 56), compress="deflate", **PLACED),
        "geotiff tiled": geotiff(smooth(90, 130), nodata=0, **TILED, **PLACED),
        "geotiff mask": geotiff(smooth(40, 56), mask=smooth(40, 56)[..., 0] > 9, compress="lzw"),
        "geotiff jpeg": geotiff(smooth(64, 64), compress="jpeg", photometric="YCBCR", **TILED),
        "geotiff apart": geotiff(smooth(40, 56, 3, dtype=np.uint16), interleave="band"),
    }
