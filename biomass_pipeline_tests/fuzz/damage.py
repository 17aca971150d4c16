"""Bytes damaged by chance: what a bad disk, a broken transfer or an enemy makes of a file."""

from collections.abc import Callable

import numpy as np

# How far into a file its header usually reaches.
_HEAD_BYTES = 320
_EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Chance = np.random.Generator


def damaged(content: bytes, other: bytes, chance: Chance) -> tuple[str, bytes]:
    """Damage a file in one of many ways.

    Args:
        content: The file.
        other: Another one, for what mixes two.
        chance: Decides how and where.

    Returns:
        What was done, and what came of it.
    """
    name = list(_WAYS)[chance.integers(len(_WAYS))]
    return name, _WAYS[name](content, other, chance)


def _flipped(content: bytes, chance: Chance, *, within: int, times: int) -> bytes:
    found = bytearray(content)
    for _ in range(times):
        found[chance.integers(min(within, len(found)))] ^= 1 << int(chance.integers(8))
    return bytes(found)


def _one_bit(content: bytes, _: bytes, chance: Chance) -> bytes:
    return _flipped(content, chance, within=len(content), times=1)


def _some_bits(content: bytes, _: bytes, chance: Chance) -> bytes:
    return _flipped(content, chance, within=len(content), times=int(chance.integers(2, 40)))


def _head_bits(content: bytes, _: bytes, chance: Chance) -> bytes:
    return _flipped(content, chance, within=_HEAD_BYTES, times=int(chance.integers(1, 6)))


def _cut(content: bytes, _: bytes, chance: Chance) -> bytes:
    return content[: chance.integers(len(content))]


def _blanked(content: bytes, _: bytes, chance: Chance) -> bytes:
    start, stop = _span(content, chance)
    filling = (b"\0", b"\xff", b"\x55")[chance.integers(3)]
    return content[:start] + filling * (stop - start) + content[stop:]


def _left_out(content: bytes, _: bytes, chance: Chance) -> bytes:
    start, stop = _span(content, chance)
    return content[:start] + content[stop:]


def _put_in(content: bytes, _: bytes, chance: Chance) -> bytes:
    start = int(chance.integers(len(content)))
    return content[:start] + chance.bytes(int(chance.integers(1, 64))) + content[start:]


def _doubled(content: bytes, _: bytes, chance: Chance) -> bytes:
    start, stop = _span(content, chance)
    return content[:stop] + content[start:]


def _spliced(content: bytes, other: bytes, chance: Chance) -> bytes:
    return content[: chance.integers(len(content))] + other[chance.integers(len(other)) :]


def _lying(content: bytes, _: bytes, chance: Chance) -> bytes:
    """A number of the header replaced by an extreme one."""
    size = (1, 2, 4)[chance.integers(3)]
    start = int(chance.integers(min(_HEAD_BYTES, len(content))))
    value = _EXTREMES[chance.integers(len(_EXTREMES))] % 256**size
    order = "little" if chance.integers(2) else "big"
    return content[:start] + value.to_bytes(size, order) + content[start + size :]


def _span(content: bytes, chance: Chance) -> tuple[int, int]:
    start = int(chance.integers(len(content)))
    return start, min(start + int(chance.integers(1, 200)), len(content))


_WAYS: dict[str, Callable[[bytes, bytes, Chance], bytes]] = {
    "a bit flipped": _one_bit,
    "bits flipped": _some_bits,
    "bits of the head flipped": _head_bits,
    "cut off": _cut,
    "blanked": _blanked,
    "a piece left out": _left_out,
    "a piece put in": _put_in,
    "a piece twice": _doubled,
    "two files spliced": _spliced,
    "a number that lies": _lying,
}
