"""Pairs that show the same picture are found wherever they are, and no others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.manifest import near_duplicates
from biomass_pipeline.manifest.perception import hash_bits, turned

hashes = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")


def photos(*rows):
    """Rows of (group, hash) or (group, hash, sha256)."""
    return pd.DataFrame(
        [
            {
                "image_id": f"p{number}",
                "group": row[0],
                "perceptual_hash": row[1],
                "sha256": row[2] if len(row) > 2 else f"{number:064x}",
            }
            for number, row in enumerate(rows)
        ],
        columns=["image_id", "group", "perceptual_hash", "sha256"],
    )


def flipped(name, bits):
    """The hash with some of its bits changed."""
    return f"{int(name, 16) ^ sum(1 << bit for bit in bits):016x}"


def pairs(table, **how):
    found = near_duplicates(table, **how)
    return list(found.itertuples(index=False, name=None))


@settings(max_examples=25)
@given(hashes, st.sets(st.integers(0, 63), max_size=6))
def test_a_copy_with_some_bits_changed_is_found_with_their_number(name, bits):
    found = pairs(photos(("g", name), ("h", flipped(name, bits))))
    assert [pair[:2] for pair in found] == [("p0", "p1")]
    # A turned picture may be nearer still.
    assert found[0][2] <= len(bits)
    assert not found[0][3]


@settings(max_examples=16)
@given(hashes, st.integers(0, 7))
def test_a_turned_copy_is_found(name, turn):
    bits = turned(hash_bits([name]))[turn]
    other = np.packbits(bits.ravel()).tobytes().hex()
    assert [pair[2] for pair in pairs(photos(("g", name), ("h", other)))] == [0]


def test_photos_of_one_group_may_look_alike():
    assert pairs(photos(("g", "0123456789abcdef"), ("g", "0123456789abcdef"))) == []


def test_random_hashes_are_no_pairs():
    chance = np.random.default_rng(0)
    table = photos(*((f"g{i}", chance.bytes(8).hex()) for i in range(1200)))
    assert pairs(table) == []


def test_pairs_are_found_across_blocks_and_sorted_by_likeness():
    chance = np.random.default_rng(1)
    rows = [(f"g{i}", chance.bytes(8).hex()) for i in range(1100)]
    rows[1099] = ("g1099", flipped(rows[3][1], [5, 6]))
    rows[700] = ("g700", rows[8][1])
    rows[600] = ("g600", rows[300][1])
    expected = [("p300", "p600", 0, False), ("p8", "p700", 0, False), ("p3", "p1099", 2, False)]
    assert pairs(photos(*rows)) == expected


def test_the_same_bytes_are_found_without_a_hash():
    assert pairs(photos(("g", "", "same"), ("h", "", "same"))) == [("p0", "p1", 0, True)]


def test_the_same_bytes_are_told_once():
    name = "0123456789abcdef"
    assert pairs(photos(("g", name, "same"), ("h", name, "same"))) == [("p0", "p1", 0, True)]


@pytest.mark.parametrize("rows", [[], [("g", "")], [("g", "", ""), ("h", "", "")]])
def test_nothing_to_compare_is_no_pair(rows):
    assert pairs(photos(*rows)) == []


def test_how_many_bits_may_differ_is_asked():
    table = photos(("g", "0123456789abcdef"), ("h", flipped("0123456789abcdef", [1, 2, 3, 4])))
    assert pairs(table, most_bits=3) == []
    assert len(pairs(table, most_bits=4)) == 1
