"""TIFF pictures through GDAL: bands of whole blocks, nodata, masks and the place on Earth.

Pillow's header decides what is readable here as well; GDAL only gives the samples.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from biomass_pipeline.manifest.bands import Band, Picture, scaled_grey
from biomass_pipeline.manifest.damage import naming_damage
from biomass_pipeline.manifest.header import Header
from biomass_pipeline.manifest.local import local_file
from biomass_pipeline.manifest.tiff import TiffFacts

if TYPE_CHECKING:
    from rasterio.env import Env
    from rasterio.io import DatasetReader

_BYTE: Final = 8
# Rows are read in bands of about this many pixels, but never less than a row of blocks.
_BAND_PX: Final = 2_000_000
_OPTIONS: Final = {
    # Blocks are read once and in order: what GDAL keeps of them need not be much.
    "GDAL_CACHEMAX": 16 * 2**20,
    # A photo is its bytes: no file beside it may change what it says.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}
_CHANNELS: Final = {"LA": 2, "PA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
_ALPHA: Final = frozenset({"LA", "PA", "RGBA"})


@dataclass(frozen=True)
class Place:
    """Where on Earth a picture lies.

    Attributes:
        crs: The coordinate reference system, such as EPSG:32755 or WKT; empty if unknown.
        transform: `a b c d e f` of the upright picture: x = a col + b row + c,
            y = d col + e row + f, at the pixel's upper left corner; empty if unknown.
    """

    crs: str = ""
    transform: str = ""


@dataclass(frozen=True)
class RasterPhoto:
    """A TIFF read in bands.

    Attributes:
        header: How it is stored.
        facts: The same in TIFF's words.
        palette: Shape (256, 3), the colours of an indexed picture; else None.
        stream: The file.
    """

    header: Header
    facts: TiffFacts
    palette: NDArray[np.uint8] | None
    stream: BinaryIO

    @property
    def n_pixels(self) -> int:
        """How many pixels it says that it has."""
        return self.header.n_pixels

    @property
    def warning(self) -> str:
        """What is done to it on the way to 8-bit RGB; empty if nothing."""
        return self.header.warning

    def picture(self, *, only_validity: bool = False) -> Picture:
        """Its bands.

        Args:
            only_validity: Colours may be wrong, where that saves reading them.
        """
        bands = self._bands(only_validity=only_validity)
        return Picture(self.header.stored_px, self.header.orientation, bands)

    @property
    def _mode(self) -> str:
        """Of the samples that GDAL gives."""
        return "RGB" if self.facts.converted else self.header.mode

    def place(self) -> Place:
        """Where it lies.

        Raises:
            UnreadableImageError: GDAL cannot open the file.
        """
        if not self.facts.georeferenced:
            return Place()
        with (
            naming_damage(self.stream, "TIFF"),
            local_file(self.stream) as path,
            closing(_opened(path, self.facts)) as raster,
        ):
            crs = raster.crs.to_string() if raster.crs else ""
            if raster.transform.is_identity:
                return Place(crs)
            turned = self.header.orientation.upright_transform(
                tuple(raster.transform)[:6], self.header.stored_px
            )
            return Place(crs, " ".join(map(repr, turned)))

    def _bands(self, *, only_validity: bool) -> Iterator[Band]:
        height, _ = self.header.stored_px
        with (
            naming_damage(self.stream, "TIFF"),
            local_file(self.stream) as path,
            closing(_opened(path, self.facts)) as raster,
        ):
            step = _band_rows(raster)
            for row in range(0, height, step):
                yield self._band(raster, row, min(row + step, height), only_validity=only_validity)

    def _band(self, raster: "DatasetReader", row: int, end: int, *, only_validity: bool) -> Band:
        samples = self._samples(raster, row, end, only_validity=only_validity)
        nodata = None
        if self.facts.nodata is not None:
            colours = samples[..., : -1 if self._mode in _ALPHA else None]
            nodata = _holds(colours, self.facts.nodata)
        if self.facts.has_mask:
            with _gdal():
                hidden = raster.read_masks(1, window=((row, end), (0, raster.width))) == 0
            nodata = hidden if nodata is None else nodata | hidden
        return Band(row, *self._eight_bit(samples), nodata)

    def _samples(
        self, raster: "DatasetReader", row: int, end: int, *, only_validity: bool
    ) -> NDArray[Any]:
        """Shape (row, col, channel), as stored."""
        count = _CHANNELS.get(self._mode, 1)
        samples = np.empty((end - row, raster.width, count), dtype=raster.dtypes[0])
        wanted = range(count)
        if only_validity and self.facts.nodata is None:
            samples.fill(0)
            wanted = wanted[-1:] if self._mode in _ALPHA else wanted[:0]
        if wanted:
            with _gdal():
                raster.read(
                    [index + 1 for index in wanted],
                    window=((row, end), (0, raster.width)),
                    out=samples[..., wanted.start :].transpose(2, 0, 1),
                )
        return samples

    def _eight_bit(self, samples: NDArray[Any]) -> tuple[str, NDArray[np.uint8]]:
        """The mode and the samples as Pillow would give them."""
        mode, facts = self._mode, self.facts
        if mode.startswith("I;16"):
            return "L", scaled_grey(samples)
        if samples.dtype == np.uint16:
            samples = (samples >> 8).astype(np.uint8)
        samples = samples.view(np.uint8)
        if self.palette is not None:
            colours = self.palette[samples[..., 0]]
            if mode == "P":
                return "RGB", colours
            return "RGBA", np.concatenate([colours, samples[..., 1:]], axis=2)
        if facts.bits < _BYTE:
            samples = samples * np.uint8(255 // (2**facts.bits - 1))
        if facts.inverted and mode in {"1", "L"}:
            samples = 255 - samples
        if facts.premultiplied and mode == "RGBA":
            samples = _unmultiplied(samples)
        return "L" if mode == "1" else mode, samples


def palette_of(image: ImageFile) -> NDArray[np.uint8] | None:
    """The colours of an indexed TIFF, shape (256, 3)."""
    if image.palette is None:
        return None
    found = np.zeros((256, 3), dtype=np.uint8)
    stored = np.frombuffer(bytes(image.palette.palette), dtype=np.uint8).reshape(3, -1).T
    found[: len(stored)] = stored
    return found


def _gdal() -> "Env":
    """GDAL's settings, for one call: they belong to a thread, and generators change threads."""
    from rasterio.env import Env  # noqa: PLC0415  # a run of ordinary photos needs no GDAL

    return Env(**_OPTIONS)


def _opened(path: str, facts: TiffFacts) -> "DatasetReader":
    from rasterio.io import DatasetReader  # noqa: PLC0415  # as above

    class Unplaced(DatasetReader):  # type: ignore[misc]  # rasterio ships no types
        """Does not look for map coordinates, whose lack would be a warning."""

        def read_transform(self) -> list[float]:
            return [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]

    with _gdal():
        return (DatasetReader if facts.placed else Unplaced)(path, driver="GTiff")


def _band_rows(raster: "DatasetReader") -> int:
    """Whole blocks, so that each is decoded once."""
    block = int(raster.block_shapes[0][0])
    return max(block, _BAND_PX // int(raster.width) // block * block)


def _holds(samples: NDArray[Any], value: float) -> NDArray[np.bool_]:
    """Shape (row, col): true where every channel holds the value."""
    held = np.full(samples.shape[:2], fill_value=True)
    limits = np.iinfo(samples.dtype)
    if not value.is_integer() or not limits.min <= value <= limits.max:
        return ~held
    for channel in range(samples.shape[2]):
        held &= samples[..., channel] == samples.dtype.type(value)
    return held


def _unmultiplied(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours divided by their alpha, rounded down as Pillow does."""
    alpha = samples[..., 3:].astype(np.uint16)
    colours = samples[..., :3] * np.uint16(255) // np.maximum(alpha, 1)
    shown = np.where(alpha == 0, 0, np.minimum(colours, 255)).astype(np.uint8)
    return np.concatenate([shown, samples[..., 3:]], axis=2)
