"""Figures as the page holds them: a still picture, words for those who listen, a live chart."""

import base64
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biomass_pipeline.reporting.canvas import Rendering, as_pdf, as_png, as_svg


@dataclass(frozen=True)
class Picture:
    """A figure with its caption.

    Attributes:
        slug: Its name as a file.
        name: The caption.
        reading: How to read it, in a line.
        alt: What it shows, in words.
        png: The still picture.
        width_px: Of it.
        height_px: Of it.
        draw: Draws it anew, as whatever the rendering makes.
        live: Makes the same as a Vega-Lite chart with its data, where there is one.
    """

    slug: str
    name: str
    reading: str
    alt: str
    png: bytes
    width_px: int
    height_px: int
    draw: Callable[[Rendering], bytes]
    live: Callable[[], Mapping[str, Any]] | None = None

    @property
    def source(self) -> str:
        """The still picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def picture(
    draw: Callable[[Rendering], bytes],
    *,
    slug: str,
    name: str,
    reading: str,
    alt: str,
    live: Callable[[], Mapping[str, Any]] | None = None,
) -> Picture:
    """Draw a figure; the arguments are those of `Picture`."""
    png = draw(as_png)
    width_px, height_px = _png_size_px(png)
    return Picture(slug, name, reading, alt, png, width_px, height_px, draw, live)


def vector_files(pictures: Sequence[Picture]) -> dict[str, bytes]:
    """Each figure as SVG and PDF for a paper, by file name."""
    return {
        f"{each.slug}.{kind}": each.draw(rendering)
        for each in pictures
        for kind, rendering in (("svg", as_svg), ("pdf", as_pdf))
    }


def _png_size_px(png: bytes) -> tuple[int, int]:
    """Width and height, from the header that every PNG starts with."""
    width_px, height_px = struct.unpack(">II", png[16:24])
    return width_px, height_px
