"""What the fakes compute can be seen by eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.testing import CountingBackbone, FixedClock, MeanColourBackbone

BYTES = st.integers(0, 255)


@given(colour=st.tuples(BYTES, BYTES, BYTES), n=st.integers(1, 4))
def test_a_plain_tile_is_its_colour(colour, n):
    tiles = np.full((n, 16, 16, 3), colour, np.uint8)
    rows = MeanColourBackbone().embed(tiles)
    assert rows.dtype == np.float32
    assert rows.tolist() == [list(map(float, colour))] * n


def test_tiles_are_counted_and_some_blue_cannot_be_embedded():
    counter = CountingBackbone(fails_on_blue=7)
    (backbone,) = counter.build()
    backbone.embed(np.zeros((3, 16, 16, 3), np.uint8))
    assert counter.n_tiles == 3
    with pytest.raises(RuntimeError, match="memory"):
        backbone.embed(np.full((1, 16, 16, 3), 7, np.uint8))
    assert counter.n_tiles == 3


def test_another_version_is_another_backbone():
    assert CountingBackbone(version="2").identity() != CountingBackbone().identity()


def test_a_clock_moves_only_when_it_is_moved():
    clock = FixedClock()
    assert (clock(), clock()) == (0.0, 0.0)
    clock.forward(3)
    assert clock() == 3.0
