"""Decoding is measured on the pipeline's own way from a file to tiles."""

import sys

import numpy as np
import pytest

from biomass_pipeline.benchmark import decoding
from biomass_pipeline.benchmark.decoding import cut_picture, decode_rate
from biomass_pipeline.config import TilingConfig

MB = 2**20


def test_a_photo_is_decoded_and_cut(plan, tmp_path):
    found = decode_rate(plan, tmp_path)
    assert (found.height_px, found.width_px, found.n_tiles) == (60, 100, 15)
    assert found.seconds > 0
    assert found.extra_bytes is not None


def test_ready_tiles_are_tiles(plan, tmp_path):
    tiles = cut_picture(plan, tmp_path)
    assert tiles.shape == (15, 28, 28, 3)
    assert tiles.dtype == np.uint8


def test_extra_memory_is_at_least_the_photo_and_its_tiles(tmp_path):
    tiling = TilingConfig(tile_px=518, stride_px=400)
    pictures = decoding.write_pictures(tmp_path, [(1000, 2000), (64, 64)])
    photo, small = (tmp_path / name for name in pictures.table["path"])
    extra = decoding.extra_bytes(small, photo, tiling)
    tiles_bytes = 15 * 518 * 518 * 3
    assert tiles_bytes < extra < 6 * tiles_bytes


def test_a_process_that_cannot_tell_is_no_figure(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert decode_rate(plan, tmp_path).extra_bytes is None


@pytest.mark.parametrize("status", ["VmHWM:\t   5 kB\n", "VmPeak: 1 kB\n"])
def test_the_peak_is_linux_own_or_the_process_usage(status, tmp_path, monkeypatch):
    file = tmp_path / "status"
    file.write_text(status, encoding="utf-8")
    monkeypatch.setattr(decoding, "_STATUS", file)
    peak = decoding.peak_bytes()
    assert peak == 5 * 1024 if "HWM" in status else peak > MB
