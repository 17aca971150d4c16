"""Checksums: as documented, and changed by every bit."""

from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.store.checks import (
    WRITTEN,
    attributes_crc32,
    photo_seed,
    photo_seeds,
    row_checks,
)


def rows(dtype="float16"):
    generator = np.random.default_rng(0)
    return [
        generator.standard_normal((3, 5)).astype(dtype),
        generator.integers(0, 999, (3, 2), dtype=np.int32),
        generator.random(3, dtype=np.float32),
        photo_seeds(["a", "a", "b"], ["c1", "c1", "c2"]),
    ]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_check_is_2_to_the_32_and_the_crc_of_coords_weight_and_features(dtype):
    features, coords, weight, seeds = rows(dtype)
    found = row_checks(features, coords, weight, seeds)
    for row in range(3):
        data = coords[row].tobytes() + weight[row].tobytes() + features[row].tobytes()
        assert int(found[row]) == WRITTEN + crc32(
            data, photo_seed("aab"[row], "c1c1c2"[2 * row :][:2])
        )
    assert (found > 0).all()


@given(column=st.integers(0, 3), row=st.integers(0, 2), data=st.data())
def test_any_flipped_bit_changes_the_check_of_its_row_alone(column, row, data):
    columns = rows()
    before = row_checks(*columns)
    flipped = columns[column][row : row + 1].reshape(-1).view(np.uint8)
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = row_checks(*columns) != before
    assert changed.tolist() == [place == row for place in range(3)]


def test_no_rows_have_no_checks():
    assert row_checks(*(column[:0] for column in rows())).shape == (0,)


def test_attributes_are_checked_but_for_their_check():
    known = {"backbone": "b", "tile_px": 8}
    before = attributes_crc32(known)
    assert attributes_crc32(known | {"attributes_crc32": before}) == before
    assert attributes_crc32({"backbone": "b", "tile_px": np.int64(8)}) == before
    assert attributes_crc32(known | {"tile_px": 9}) != before
