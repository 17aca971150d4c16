"""Figures as the page holds them: both themes inside the file, with words for those who listen."""

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass

from biomass_pipeline.reporting.canvas import DARK, LIGHT, Theme


@dataclass(frozen=True)
class Picture:
    """A figure with its caption.

    Attributes:
        name: The caption.
        reading: How to read it, in a line.
        light: The PNG for a light page, base64.
        dark: The PNG for a dark page, base64.
        width_px: Of both.
        height_px: Of both.
        alt: What it shows, in words.
    """

    name: str
    reading: str
    light: str
    dark: str
    width_px: int
    height_px: int
    alt: str


def picture(draw: Callable[[Theme], bytes], *, name: str, reading: str, alt: str) -> Picture:
    """Draw a figure for light and dark pages.

    Args:
        draw: Gives the PNG of a theme.
        name: The caption.
        reading: How to read it, in a line.
        alt: What it shows, in words.
    """
    light, dark = draw(LIGHT), draw(DARK)
    width_px, height_px = _png_size_px(light)
    return Picture(
        name=name,
        reading=reading,
        light=base64.b64encode(light).decode(),
        dark=base64.b64encode(dark).decode(),
        width_px=width_px,
        height_px=height_px,
        alt=alt,
    )


def _png_size_px(png: bytes) -> tuple[int, int]:
    """Width and height, from the header that every PNG starts with."""
    width_px, height_px = struct.unpack(">II", png[16:24])
    return width_px, height_px
