"""Large JPEG, PNG and WebP pictures through libvips, some rows at a time, each decoded once.

libvips itself holds what the format does not give in rows: a WebP, an interlaced PNG, the
coefficients of a progressive JPEG.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from biomass_pipeline.manifest.bands import Band, Picture, scaled_grey
from biomass_pipeline.manifest.damage import naming_damage
from biomass_pipeline.manifest.header import Header, orientation_number
from biomass_pipeline.manifest.jpeg import check_filled
from biomass_pipeline.manifest.local import local_file
from biomass_pipeline.manifest.orientation import ORIENTATIONS
from biomass_pipeline.manifest.vips import libvips

if TYPE_CHECKING:
    import pyvips

_BAND_PX: Final = 500_000
_MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_DTYPES: Final = {"uchar": np.uint8, "ushort": np.uint16}


@dataclass(frozen=True)
class ScannedPhoto:
    """A JPEG, PNG or WebP read in bands.

    Attributes:
        header: How it is stored.
        stream: The file.
        in_passes: It is a progressive JPEG or an interlaced PNG.
    """

    header: Header
    stream: BinaryIO
    in_passes: bool = False

    @property
    def n_pixels(self) -> int:
        """How many pixels it says that it has."""
        return self.header.n_pixels

    @property
    def warning(self) -> str:
        """What is done to it on the way to 8-bit RGB; empty if nothing."""
        return self.header.warning

    def picture(self, *, only_validity: bool = False) -> Picture:  # noqa: ARG002  # alpha is inside
        """Its bands; a PNG's checksums, and that a JPEG is complete, are proved in the end."""
        return Picture(self.header.stored_px, self.header.orientation, self._bands())

    def _bands(self) -> Iterator[Band]:
        height, width = self.header.stored_px
        step = max(_BAND_PX // width, 1)
        with naming_damage(self.stream, self.header.kind):
            with local_file(self.stream) as path:
                image = _opened(self.header.kind, path)
                rows = _Rows(image)
                for row in range(0, height, step):
                    samples = rows.read(row, min(row + step, height))
                    if self.header.kind == "JPEG" and row + step >= height:
                        check_filled(self.stream, samples, progressive=self.in_passes)
                    yield Band(row, *_eight_bit(samples, self.header.mode))
            if self.header.kind == "PNG":
                self.stream.seek(0)
                PngImagePlugin.PngImageFile(self.stream).verify()


def webp_header(stream: BinaryIO) -> Header:
    """What a WebP's header says, without Pillow, which refuses one above its own limit."""
    with local_file(stream) as path:
        image = _opened("WEBP", path)
    fields = set(image.get_fields())
    bare = Image.new("1", (1, 1))
    bare.info = {
        name: image.get(field)
        for name, field in (("exif", "exif-data"), ("xmp", "xmp-data"))
        if field in fields
    }
    animated = "n-pages" in fields and image.get("n-pages") > 1
    found = (
        ("animated: first frame", animated),
        ("alpha flattened on white", image.hasalpha()),
    )
    return Header(
        kind="WEBP",
        mode=_MODES[image.bands],
        stored_px=(image.height, image.width),
        orientation=ORIENTATIONS[orientation_number(bare)],
        warning="; ".join(text for text, holds in found if holds),
    )


class _Rows:
    """Rows of a picture that libvips decodes as they are asked for, in order."""

    def __init__(self, image: "pyvips.Image") -> None:
        pyvips = libvips()

        self._image = image
        self._region = pyvips.Region.new(image)

    def read(self, row: int, end: int) -> NDArray[Any]:
        """Shape (row, col, channel), as stored."""
        width, bands = self._image.width, self._image.bands
        data = self._region.fetch(0, row, width, end - row)
        dtype = _DTYPES[self._image.format]
        return np.frombuffer(data, dtype=dtype).reshape(end - row, width, bands)


def _opened(kind: str, path: str) -> "pyvips.Image":
    """The loader is chosen by our own look at the file, so that libvips tries no other."""
    pyvips = libvips()

    options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if kind == "JPEG":
        return pyvips.Image.jpegload(path, unlimited=True, **options)
    if kind == "PNG":
        return pyvips.Image.pngload(path, unlimited=True, **options)
    return pyvips.Image.webpload(path, **options)


def _eight_bit(samples: NDArray[Any], mode: str) -> tuple[str, NDArray[np.uint8]]:
    """The mode and the samples as Pillow would give them; libvips expands palettes itself."""
    found = "CMYK" if mode == "CMYK" else _MODES[samples.shape[2]]
    if samples.dtype == np.uint8:
        return found, samples
    eight_bit = (samples >> 8).astype(np.uint8)
    if mode.startswith("I;16"):
        eight_bit[..., 0] = scaled_grey(samples[..., 0])
    return found, eight_bit
