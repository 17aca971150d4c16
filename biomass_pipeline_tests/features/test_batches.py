"""How a device's best batch is found, on devices made up of a cost a call and a cost a tile."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.features.batches import SIZES, choose_batch_size, smallest_good


class Device:
    """Takes so long a call and so long a tile, and holds so many tiles."""

    def __init__(self, *, call_s, tile_s, room=1000):
        self.call_s, self.tile_s, self.room = call_s, tile_s, room
        self.now_s, self.tried = 0.0, []

    def embed(self, size):
        self.tried.append(size)
        if size > self.room:
            raise torch.OutOfMemoryError
        self.now_s += self.call_s + size * self.tile_s

    def choose(self):
        return choose_batch_size(self.embed, clock=lambda: self.now_s)


@given(call_s=st.floats(0, 0.05), tile_s=st.floats(1e-4, 0.005), room=st.integers(8, 200))
def test_the_smallest_size_within_three_percent_of_the_best_is_chosen(call_s, tile_s, room):
    device = Device(call_s=call_s, tile_s=tile_s, room=room)
    chosen = device.choose()
    rates = {size: size / (call_s + size * tile_s) for size in SIZES if size <= room}
    assert rates[chosen] >= 0.96 * max(rates.values())
    smaller = [rate for size, rate in rates.items() if size < chosen]
    assert all(rate < 0.98 * max(rates.values()) for rate in smaller)


@pytest.mark.parametrize(
    ("room", "expected"), [(100, 64), (8, 8), (7, 4), (4, 4), (3, 2), (1, 1), (0, 1)]
)
def test_memory_sets_the_limit(room, expected):
    assert Device(call_s=1e-2, tile_s=1e-6, room=room).choose() == expected


def test_a_slow_device_is_not_tried_for_long():
    device = Device(call_s=0, tile_s=1)
    assert device.choose() == 8
    assert device.tried == [8, 8]


def test_equal_rates_mean_the_smallest_batch():
    assert smallest_good(dict(zip(SIZES, itertools.repeat(5.0), strict=False))) == 8
