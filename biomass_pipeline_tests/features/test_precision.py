"""Precisions are chosen by what they change, on networks made up for it."""

import numpy as np
import pytest
import torch
from torch import nn

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import CompileError, PrecisionMemoryError
from biomass_pipeline.features import precision
from biomass_pipeline.features.lanes import measure_precision
from biomass_pipeline.features.precision import (
    LEAST_COSINE,
    Arithmetic,
    has_native_bf16,
    probe_tiles,
    settle_precision,
    trials,
)

PIXELS = torch.linspace(-2, 2, 2 * 3 * 8 * 8).view(2, 3, 8, 8)


class Network(nn.Module):
    """How far it is off in bf16 is chosen; it knows in what it is computed."""

    def __init__(self, *, bf16_off=0.0, autocast_off=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)
        self.bf16_off, self.autocast_off = bf16_off, autocast_off

    def forward(self, pixels):
        off = self.autocast_off if torch.is_autocast_enabled("cpu") else 0.0
        off = self.bf16_off if self.weight.dtype == torch.bfloat16 else off
        row = torch.tensor([1.0, off]) * self.weight
        return row.expand(len(pixels), 1, 2)


@pytest.fixture(autouse=True)
def with_bf16(monkeypatch):
    monkeypatch.setattr(precision, "has_native_bf16", lambda _: True)


def settled(network, word="auto"):
    return settle_precision(network, word, pixels=PIXELS, name="made-up").precision


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({}, "bf16"),
        ({"bf16_off": 0.1}, "bf16-autocast"),
        ({"bf16_off": 0.1, "autocast_off": 0.1}, "fp32"),
        ({"bf16_off": float("nan"), "autocast_off": 0.1}, "fp32"),
        ({"bf16_off": 0.01}, "bf16"),
    ],
)
def test_auto_takes_the_fastest_whose_rows_stay_what_they_are(network, expected):
    assert settled(Network(**network)) == expected


def test_auto_is_float32_where_bf16_is_not_native(monkeypatch):
    monkeypatch.setattr(precision, "has_native_bf16", lambda _: False)
    assert settled(Network()) == "fp32"


@pytest.mark.parametrize("word", ["fp32", "bf16", "bf16-autocast"])
def test_what_is_asked_for_is_taken_unmeasured_and_gives_float32_rows(word):
    network = Network(bf16_off=9.0, autocast_off=9.0)
    arithmetic = settle_precision(network, word, pixels=PIXELS, name="made-up")
    assert arithmetic.precision == word
    assert arithmetic(PIXELS).dtype == torch.float32
    assert network.weight.dtype == (torch.bfloat16 if word == "bf16" else torch.float32)


def test_measuring_leaves_the_network_in_float32():
    network = Network(bf16_off=0.1, autocast_off=0.01)
    measured = {arithmetic.precision: found for arithmetic, found in trials(network, PIXELS)}
    assert network.weight.dtype == torch.float32
    assert list(measured) == ["fp32", "bf16", "bf16-autocast"]
    assert measured["fp32"].cosine == 1
    assert measured["bf16"].cosine == pytest.approx(1 / np.sqrt(1.01), abs=1e-3)
    assert measured["bf16-autocast"].cosine > 0.9999
    assert all(found.seconds_per_tile > 0 for found in measured.values())


def test_a_device_too_small_to_measure_on_is_told_with_the_way_out(monkeypatch):
    def full(_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr("copy.deepcopy", full)
    with pytest.raises(PrecisionMemoryError, match=r"made-up.*cpu.*`backbone.precision` to bf16"):
        settled(Network())


def test_native_bf16_is_asked_of_the_device(monkeypatch):
    for capability, expected in (((9, 0), True), ((8, 0), True), ((7, 5), False)):
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda _, found=capability: found)
        assert has_native_bf16(torch.device("cuda", 0)) is expected
    assert has_native_bf16(torch.device("mps")) is False
    for found, expected in (({"amx_bf16": True}, True), ({"avx512_bf16": False}, False)):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda found=found: found, raising=False)
        assert has_native_bf16(torch.device("cpu")) is expected
    monkeypatch.delattr("torch.cpu.get_capabilities")
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True, raising=False)
    assert has_native_bf16(torch.device("cpu")) is True


def test_the_probe_looks_like_photos_and_is_always_the_same():
    tiles = probe_tiles(64)
    assert (tiles == probe_tiles(64)).all()
    assert tiles.shape == (2, 64, 64, 3)
    assert tiles.dtype == np.uint8
    assert tiles.std() > 20
    # Neighbours are alike, as in a photo, and colours go together.
    grey = tiles[..., 1].astype(float)
    assert np.corrcoef(grey[:, 1:].ravel(), grey[:, :-1].ravel())[0, 1] > 0.6
    assert np.corrcoef(tiles[..., 0].ravel(), tiles[..., 2].ravel())[0, 1] > 0.5


@pytest.mark.parametrize("tokens", ["cls", "patches"])
@pytest.mark.parametrize("name", ["dinov2_vits14_reg", "dinov3_vits16"])
def test_both_kinds_of_bf16_stay_close_on_a_real_architecture(name, tokens):
    spec = BackboneConfig(name=name, random_weights=True, tokens=tokens)
    measured = measure_precision(spec, tile_px=112)
    assert list(measured) == ["fp32", "bf16", "bf16-autocast"]
    # Even untrained, they pass the bar that `auto` sets.
    # The margin is thin and the machine decides: where it is not met, `auto` takes another.
    assert 0.9998 < measured["bf16"].cosine < 1
    assert LEAST_COSINE <= measured["bf16-autocast"].cosine < 1


def test_what_cannot_be_compiled_is_told_with_the_way_out(monkeypatch):
    def broken(*_, **__):
        def run(_):
            msg = "no compiler\nlong story"
            raise RuntimeError(msg)

        return run

    monkeypatch.setattr("torch.compile", broken)
    with pytest.raises(CompileError, match=r"made-up.*RuntimeError: no compiler\. Set `backbone"):
        Arithmetic(Network(), "fp32").compile(PIXELS, name="made-up")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own, of many kinds
def test_a_compiled_network_gives_the_same_rows():
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.GELU(), nn.Flatten(), nn.Unflatten(1, (1, 4)))
    with torch.inference_mode():
        plain, compiled = Arithmetic(network, "fp32"), Arithmetic(network, "fp32")
        compiled.compile(PIXELS, name="made-up")
        torch.testing.assert_close(compiled(PIXELS), plain(PIXELS))
