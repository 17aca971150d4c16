"""Photos in many formats, whole and damaged, as bytes."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image


def encode(image, kind, **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def scene(height=40, width=56, mode="RGB"):
    rows, cols = np.mgrid[:height, :width]
    bands = [rows * 5 % 256, cols * 4 % 256, (rows + cols) * 3 % 256]
    return Image.fromarray(np.stack(bands, axis=-1).astype(np.uint8)).convert(mode)


def deep_png(values, *, colour_type, extra=b""):
    """A 16-bit PNG, written by hand: Pillow writes 16-bit grey only."""
    rows = values.reshape(len(values), -1).astype(">u2")
    header = struct.pack(">IIBBBBB", values.shape[1], len(values), 16, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, body)
        for name, body in ((b"IHDR", header), (b"tRNS", extra), (b"IDAT", pixels), (b"IEND", b""))
        if body or name == b"IEND"
    )


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def good_photos():
    grey16 = (np.arange(40 * 56).reshape(40, 56) * 29).astype(np.uint16)
    frames = [scene(), scene(mode="L").convert("RGB")]
    oriented = Image.Exif()
    oriented[0x0112] = 6
    return {
        "jpeg": encode(scene(), "JPEG"),
        "jpeg 4:2:0": encode(scene(), "JPEG", subsampling=2),
        "jpeg progressive": encode(scene(), "JPEG", progressive=True),
        "jpeg turned": encode(scene(), "JPEG", exif=oriented),
        "jpeg grey": encode(scene(mode="L"), "JPEG"),
        "jpeg cmyk": encode(scene(mode="CMYK"), "JPEG"),
        "jpeg and more": encode(scene(), "JPEG") + b"appended by the camera",
        "png": encode(scene(), "PNG"),
        "png turned": encode(scene(), "PNG", exif=oriented),
        "png alpha": encode(scene(mode="RGBA"), "PNG"),
        "png palette": encode(scene(mode="P"), "PNG"),
        "png palette alpha": encode(scene(mode="P"), "PNG", transparency=0),
        "png bilevel": encode(scene(mode="1"), "PNG"),
        "png grey alpha": encode(scene(mode="LA"), "PNG"),
        "png grey 16": encode(Image.fromarray(grey16), "PNG"),
        "png grey 16 alpha": deep_png(grey16, colour_type=0, extra=b"\0\0"),
        "png rgb 16": deep_png(np.stack([grey16] * 3, axis=-1), colour_type=2),
        "png animated": encode(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "tiff": encode(scene(), "TIFF"),
        "tiff lzw": encode(scene(), "TIFF", compression="tiff_lzw"),
        "tiff palette alpha": encode(scene(mode="RGBA").convert("PA"), "TIFF"),
        "tiff ycbcr": encode(scene(mode="YCbCr"), "TIFF", compression="jpeg"),
        "tiff turned": encode(scene(), "TIFF", tiffinfo={0x0112: 6}),
        "tiff grey 16": encode(Image.fromarray(grey16), "TIFF"),
        "tiff pages": encode(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
        "webp": encode(scene(), "WEBP"),
        "webp alpha": encode(scene(mode="RGBA"), "WEBP"),
        "webp animated": encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
    }


def bad_photos():
    jpeg, png = encode(scene(), "JPEG"), encode(scene(), "PNG")
    webp, tiff = encode(scene(), "WEBP"), encode(scene(), "TIFF", compression="tiff_lzw")
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 255
    floating = Image.fromarray(np.zeros((4, 4), dtype=np.float32))
    return {
        "empty file": b"",
        "not an image": b"date,mass\n2015-09-04,3\n",
        "format GIF is not supported": encode(scene(), "GIF"),
        "format BMP is not supported": encode(scene(), "BMP"),
        "colour mode F is not supported": encode(floating, "TIFF"),
        "zero-sized": deep_png(np.zeros((4, 0)), colour_type=0),
        "truncated": jpeg[: len(jpeg) // 2],
        "truncated (header)": jpeg[:30],
        "truncated (png)": png[: len(png) // 2],
        "truncated (png end)": png[:-8],
        "truncated (webp)": webp[: len(webp) // 2],
        "corrupt": bytes(flipped),
        "corrupt (webp)": webp[:20] + b"\xff" * (len(webp) - 20),
        "corrupt (tiff)": tiff[:8] + b"\xff" * 40 + tiff[48:],
        "corrupt (jpeg)": jpeg[:60] + b"\xff" * (len(jpeg) - 62) + jpeg[-2:],
    }


GOOD, BAD = good_photos(), bad_photos()


@pytest.fixture(params=GOOD)
def good_photo(request):
    return GOOD[request.param]


@pytest.fixture(params=BAD)
def bad_photo(request):
    """The reason to expect, and the bytes."""
    return request.param.partition(" (")[0], BAD[request.param]


@pytest.fixture(params=[*GOOD, *BAD])
def any_photo(request):
    return {**GOOD, **BAD}[request.param]
