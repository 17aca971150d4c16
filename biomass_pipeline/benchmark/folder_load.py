"""What a folder of photos means in tiles, from the headers of its files."""

from collections.abc import Sequence

from biomass_pipeline.benchmark.records import FolderLoad
from biomass_pipeline.config import Config
from biomass_pipeline.errors import UnreadableImageError
from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.manifest import ImageFile, ImageFolder
from biomass_pipeline.manifest.photograph import HeldPhoto, Photo, open_photo
from biomass_pipeline.tiling import tile_grid

# Headers are quick on a disk, and slow one by one over a network: so many tell enough.
MOST_OPENED = 500


def folder_load(
    folder: ImageFolder, config: Config, *, most_opened: int = MOST_OPENED
) -> FolderLoad:
    """Count photos and tiles; beyond a number of photos, evenly spaced ones stand for all.

    Args:
        folder: Where the photos are.
        config: How they are cut, and how large they may be.
        most_opened: How many headers to read at most.

    Raises:
        MissingInputError: There is no such folder.
        UnreadableFolderError: It cannot be listed.
    """
    files = folder.files()
    looked_at = _spread(files, most_opened)
    tiles = [_n_tiles(folder, file, config) for file in looked_at]
    share = len(files) / max(len(looked_at), 1)
    return FolderLoad(
        location=folder.location,
        n_photos=len(files),
        n_bytes=sum(file.n_bytes for file in files),
        n_tiles=round(sum(tiles) * share),
        n_opened=len(looked_at),
        n_unreadable=tiles.count(0),
    )


def _spread(files: Sequence[ImageFile], most: int) -> list[ImageFile]:
    """At most so many, evenly spaced."""
    if len(files) <= most:
        return list(files)
    return [files[place * len(files) // most] for place in range(most)]


def _n_tiles(folder: ImageFolder, file: ImageFile, config: Config) -> int:
    """Tiles of one photo by its header; 0 if it is none."""
    limits = ReadLimits(config.data.max_pixels, config.imaging.stream_above_px)
    try:
        with folder.open(file.path) as stream:
            height_px, width_px = _stored_px(open_photo(stream, limits=limits))
    except (UnreadableImageError, OSError):
        return 0
    return len(tile_grid(height_px, width_px, config.tiling))


def _stored_px(photo: Photo) -> tuple[int, int]:
    """(height, width) as stored: a photo on its side has as many tiles as upright."""
    if isinstance(photo, HeldPhoto):
        width_px, height_px = photo.image.size
        return height_px, width_px
    return photo.header.stored_px
