"""Photos made on purpose: sizes that lie, bombs, loops, and other things than photos."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import chain, islice, product

import numpy as np
from PIL import Image

from biomass_pipeline_tests.fuzz.photos import HELD, STREAMED, encodings
from biomass_pipeline_tests.fuzz.trial import Item
from biomass_pipeline_tests.imaging.conftest import chunk, encode, scene

_PNG = b"\x89PNG\r\n\x1a\n"
# (height, width): nothing, one line, what is streamed, just below the largest photo, and beyond.
_SIZES = (
    (0, 0),
    (0, 56),
    (1, 65_500),
    (65_500, 1),
    (9_000, 9_000),
    (30_000, 33_000),
    (65_500, 15_000),
    (65_535, 65_535),
)
_LONG_SIZES = (*_SIZES, (2**31 - 1, 1), (1, 2**31 - 1), (2**32 - 1, 2**32 - 1))
_TIFF_NUMBERS = (0, 1, 7, 0xFFFF, 30_000, 2**31 - 1, 2**32 - 1)


def liars() -> Iterator[Item]:
    """Each held where its size allows, and streamed; what may take long is alone in its folder."""
    for limit in (HELD, STREAMED):
        for name, data in chain(_jpeg_sizes(), _png_sizes(), _webp_sizes(), _blocks(), _bombs()):
            yield Item(f"{name}, over {limit} px", ({"liar.jpg": data}, limit))
        small = chain(_png_methods(), _tiff_tags(), _metadata(), _strangers())
        for number, some in enumerate(_portions(small, 20)):
            files = {f"{place} {name}.jpg": data for place, (name, data) in enumerate(some)}
            yield Item(f"liars {number}, over {limit} px", (files, limit))


def _portions(named: Iterator[tuple[str, bytes]], size: int) -> Iterator[list[tuple[str, bytes]]]:
    while some := list(islice(named, size)):
        yield some


def _jpeg_sizes() -> Iterator[tuple[str, bytes]]:
    sources = encodings()
    kinds = ("jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk", "jpeg restarts")
    for kind, (height, width) in product(kinds, _SIZES):
        data = bytearray(sources[kind])
        # Start of frame: baseline or progressive. Its length and precision come first.
        start = max(data.find(b"\xff\xc0\x00"), data.find(b"\xff\xc2\x00"))
        struct.pack_into(">HH", data, start + 5, height, width)
        yield f"{kind} says {height} x {width}", bytes(data)


def _png_sizes() -> Iterator[tuple[str, bytes]]:
    sources = encodings()
    for kind, (height, width) in product(("png", "png interlaced", "png bilevel"), _LONG_SIZES):
        yield f"{kind} says {height} x {width}", _png_with(sources[kind], height, width)


def _png_methods() -> Iterator[tuple[str, bytes]]:
    sources = encodings()
    for depth, colour in product((0, 1, 2, 3, 8, 16, 255), range(8)):
        data = _png_with(sources["png"], 40, 56, depth=depth, colour=colour)
        yield f"png says depth {depth} of colour {colour}", data
    for field in range(3):
        data = _png_with(sources["png"], 40, 56, field=field)
        yield f"png with an unknown method in field {field}", data


def _png_with(
    data: bytes,
    height: int,
    width: int,
    *,
    depth: int | None = None,
    colour: int | None = None,
    field: int | None = None,
) -> bytes:
    """A PNG of another header, whose checksum is right."""
    header = bytearray(data[16:29])
    struct.pack_into(">II", header, 0, width, height)
    if depth is not None and colour is not None:
        header[8], header[9] = depth, colour
    if field is not None:
        header[10 + field] = 9
    return _PNG + chunk(b"IHDR", bytes(header)) + data[33:]


def _webp_sizes() -> Iterator[tuple[str, bytes]]:
    sources = encodings()
    for kind, side in product(("webp alpha", "webp animated", "webp camera"), (1, 9_000)):
        data = bytearray(sources[kind])
        data[24:30] = (side - 1).to_bytes(3, "little") * 2
        yield f"{kind} says {side} x {side}", bytes(data)
    yield "webp beyond any bound", sources["webp alpha"][:24] + b"\xff" * 6
    for side in (0, 9_000, 16_383):
        lossy = bytearray(sources["webp"])
        struct.pack_into("<HH", lossy, 26, side, side)
        yield f"webp says {side} x {side}", bytes(lossy)
        lossless = bytearray(sources["webp lossless"])
        struct.pack_into("<I", lossless, 21, max(side - 1, 0) * 0x4001)
        yield f"webp lossless says {side} x {side}", bytes(lossless)


def _tiff_tags() -> Iterator[tuple[str, bytes]]:
    """Every number of the first directory replaced by extreme ones, and its links by loops."""
    sources = encodings()
    for kind in ("tiff", "tiff deflate", "geotiff tiled", "tiff fax", "geotiff mask"):
        data = sources[kind]
        start = int.from_bytes(data[4:8], "little")
        count = int.from_bytes(data[start : start + 2], "little")
        for place, value in product(range(count), _TIFF_NUMBERS):
            entry = start + 2 + 12 * place
            tag = int.from_bytes(data[entry : entry + 2], "little")
            found = data[: entry + 8] + struct.pack("<I", value) + data[entry + 12 :]
            yield f"{kind}: tag {tag} is {value}", found
        after = start + 2 + 12 * count
        yield f"{kind}: a loop of directories", data[:after] + data[4:8] + data[after + 4 :]


def _blocks() -> Iterator[tuple[str, bytes]]:
    yield "tiff: one strip of almost a gigapixel", _one_strip(30_000, 33_000)
    yield "tiff: one tile of almost a gigapixel", _one_strip(30_000, 33_000, tile=True)


def _one_strip(height: int, width: int, *, tile: bool = False) -> bytes:
    """A TIFF whose only block is as large as it says to be, of few bytes."""
    body = zlib.compress(bytes(10_000))
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1}
    place = {322: width, 323: height, 324: 8, 325: len(body)} if tile else None
    tags |= place or {273: 8, 278: height, 279: len(body)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<I", 8 + len(body))
    return head + body + struct.pack("<H", len(tags)) + entries + bytes(4)


def _bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that are large pictures, as they say."""
    packer = zlib.compressobj(9)
    rows = [packer.compress(bytes(1 + 15_000 // 8)) for _ in range(15_000)]
    header = struct.pack(">IIBBBBB", 15_000, 15_000, 1, 0, 0, 0, 0)
    pixels = b"".join(rows) + packer.flush()
    yield "png of 225 megapixels in black", _png_of(header, pixels)
    yield "png of more pixels than may be", _png_of(b"\0\0\xff\xff" * 2 + header[8:], pixels)
    large = zlib.compress(bytes(50_000_000), 9)
    yield "png with a text of 50 MB", _png_with_chunk(b"zTXt", b"note\0\0" + large)
    yield "png with a profile of 50 MB", _png_with_chunk(b"iCCP", b"icc\0\0" + large)
    yield (
        "png with an itxt of 50 MB",
        _png_with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + large),
    )
    yield "webp of 16 megapixels in black", encode(Image.new("RGB", (4_000, 4_000)), "WEBP")
    yield "jpeg of 16 megapixels in black", encode(Image.new("RGB", (4_000, 4_000)), "JPEG")
    frames = [Image.new("RGB", (4, 4), (number % 256, 0, 0)) for number in range(600)]
    for kind in ("PNG", "WEBP", "TIFF"):
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
        yield f"{kind} of 600 frames", data


def _png_of(header: bytes, pixels: bytes) -> bytes:
    return _PNG + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _png_with_chunk(name: bytes, body: bytes) -> bytes:
    data = encodings()["png"]
    return data[:33] + chunk(name, body) + data[33:]


def _metadata() -> Iterator[tuple[str, bytes]]:
    for value in (0, 9, 255, 65_535, -1, 2.5, "sideways", b"\xff\xff", (1, 2, 3)):
        exif = Image.Exif()
        exif[0x010E] = "field"
        exif[0x0112] = 6
        blob = exif.tobytes()
        text = str(value)
        yield f"exif of orientation {text}", encode(scene(), "JPEG", exif=_turned(blob, value))
    endless = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 0xFFFF) + b"\x12\x01\x04\0" * 500
    for kind in ("JPEG", "PNG", "WEBP"):
        yield f"exif without an end in a {kind}", encode(scene(), kind, exif=endless)
        yield f"exif of nothing in a {kind}", encode(scene(), kind, exif=b"Exif\0\0")
        yield f"no profile in a {kind}", encode(scene(), kind, icc_profile=b"\0" * 128)
        yield f"a long profile in a {kind}", encode(scene(), kind, icc_profile=bytes(2_000_000))
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    yield "exif in a loop", encode(scene(), "JPEG", exif=loop)


def _turned(blob: bytes, value: object) -> bytes:
    """EXIF whose orientation is of another kind than a short."""
    place = blob.find(b"\x12\x01\x03\x00")
    place = place if place >= 0 else blob.find(b"\x01\x12\x00\x03")
    kind = {int: 3, float: 5, str: 2, bytes: 7, tuple: 3}[type(value)]
    number = value % 65_536 if isinstance(value, int) else 0xFFFF
    count = 3 if isinstance(value, tuple) else 1
    order = ">" if blob[6:8] == b"MM" else "<"
    return (
        blob[:place]
        + struct.pack(f"{order}HHIHH", 0x0112, kind, count, number, 0)
        + blob[place + 12 :]
    )


def _strangers() -> Iterator[tuple[str, bytes]]:
    """What is not a photo at all, under the name of one."""
    jpeg, png = encodings()["jpeg"], encodings()["png"]
    for kind in ("GIF", "BMP", "ICO", "PPM", "TGA", "PDF", "JPEG2000", "DDS", "SGI"):
        yield f"a {kind}", encode(scene(), kind)
    yield "a float picture", encode(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF")
    yield "a script", b"#!/bin/sh\nrm -rf /\n"
    yield "a page", b"<!DOCTYPE html><img src=x onerror=alert(1)>"
    yield (
        "an svg",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    )
    yield "an archive", b"PK\x03\x04" + bytes(200)
    yield "an hdf5", b"\x89HDF\r\n\x1a\n" + bytes(500)
    yield "zeros", bytes(1_000_000)
    yield "noise", np.random.default_rng(0).bytes(100_000)
    yield "a jpeg in a png", png[:33] + chunk(b"IDAT", jpeg) + chunk(b"IEND", b"")
    yield "a jpeg of two pictures", jpeg + jpeg
    yield "a png of two headers", png[:33] + png[8:]
    yield "a jpeg and 5 MB of zeros", jpeg + bytes(5_000_000)
    for signature in (b"\xff\xd8\xff", _PNG, b"II*\0", b"MM\0*", b"II+\0", b"RIFF\0\0\0\0WEBP"):
        yield f"no more than {signature!r}", signature
        yield f"{signature!r} and zeros", signature + bytes(5_000)
        yield f"{signature!r} and ones", signature + b"\xff" * 5_000
    stream = BytesIO()
    scene().save(stream, "MPO", save_all=True, append_images=[scene()])
    yield "two pictures in a jpeg", stream.getvalue()
