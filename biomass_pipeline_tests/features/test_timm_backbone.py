"""Networks of timm made to embed: batches, memory, lanes, on small tiles."""

import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import (
    BackboneTileError,
    DeviceMemoryError,
    UnsupportedReadingError,
    UnusableTileError,
)
from biomass_pipeline.features import timm_backbone
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.lanes import build_backbone
from biomass_pipeline.features.precision import Arithmetic
from biomass_pipeline.features.registry import backbone_identity
from biomass_pipeline.features.timm_backbone import Pixels, Plan, TimmBackbone
from biomass_pipeline_tests.features import reference

SMALL = "vit_small_patch14_reg4_dinov2"
TILE_PX = 56


def noise(count, *, seed=0, side=TILE_PX):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def build(*, tile_px=TILE_PX, **fields):
    fields = {"name": SMALL, "random_weights": True, "precision": "fp32"} | fields
    return build_backbone(BackboneConfig(**fields), tile_px=tile_px)


class FirstPixel(nn.Module):
    """A network that answers with each tile's first pixel, and remembers the batches it saw.

    It has room for so many tiles at once: more are too many for it.
    """

    pretrained_cfg = {"mean": (0.5, 0.2, 0.0), "std": (0.5, 1.0, 2.0)}  # noqa: RUF012 - as timm's

    def __init__(self, room=1000):
        super().__init__()
        self.room, self.seen, self.together = room, [], None

    def forward(self, pixels):
        self.seen.append(len(pixels))
        if self.together:
            self.together.wait(timeout=5)
        if len(pixels) > self.room:
            raise torch.OutOfMemoryError
        return pixels[:, None, :, 0, 0]


def fake(network, *, batch):
    identity = {"name": "first-pixel", "weights_sha256": ""}
    plan = Plan("first-pixel", None, BackboneConfig(), tile_px=4, identity=identity)
    pixels = Pixels(network, torch.device("cpu"))
    return TimmBackbone(Arithmetic(network, "fp32"), pixels, plan=plan, feature_dim=3, batch=batch)


def expected(tiles):
    return (tiles[:, 0, 0] / 255 - (0.5, 0.2, 0.0)) / (0.5, 1.0, 2.0)


def test_pixels_are_normalised_by_the_networks_own_mean_and_spread():
    tiles = np.full((1, 4, 4, 3), (255, 51, 0), np.uint8)
    rows = fake(FirstPixel(), batch=1).embed(tiles)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[1.0, 0.0, 0.0]], atol=1e-6)


def test_batches_have_one_size_and_the_last_is_filled_up():
    network, tiles = FirstPixel(), noise(11, side=4)
    rows = fake(network, batch=4).embed(tiles)
    assert network.seen == [4, 4, 4]
    np.testing.assert_allclose(rows, expected(tiles), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("room", [1, 2, 3, 4, 7])
def test_batches_are_halved_until_they_fit_and_no_row_is_lost(room, caplog, monkeypatch):
    # Dagster's set-up of its own logs switches off all loggers that are there.
    logger = logging.getLogger("biomass_pipeline.features.timm_backbone")
    monkeypatch.setattr(logger, "disabled", False)
    caplog.set_level(logging.WARNING, logger=logger.name)
    network, tiles = FirstPixel(room), noise(11, side=4)
    backbone = fake(network, batch=8)
    rows = backbone.embed(tiles)
    np.testing.assert_allclose(rows, expected(tiles), rtol=1e-5, atol=1e-6)
    assert backbone.batch_size == 2 ** int(np.log2(room))
    assert "memory ran out" in caplog.text
    network.seen.clear()
    backbone.embed(tiles)
    assert set(network.seen) == {backbone.batch_size}


def test_where_not_even_one_tile_fits_the_error_comes_out():
    backbone = fake(FirstPixel(room=0), batch=8)
    with pytest.raises(torch.OutOfMemoryError):
        backbone.embed(noise(1, side=4))
    assert backbone.batch_size == 1


def test_two_threads_that_run_out_of_memory_together_halve_once():
    network, tiles = FirstPixel(room=4), noise(8, side=4)
    backbone = fake(network, batch=8)
    network.together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(backbone.embed, [tiles, tiles]))
    assert backbone.batch_size == 4
    for rows in found:
        np.testing.assert_allclose(rows, expected(tiles), rtol=1e-5, atol=1e-6)


def test_a_late_failure_does_not_make_batches_larger_again():
    backbone = fake(FirstPixel(), batch=2)
    backbone._halve(8)
    assert backbone.batch_size == 2


def test_each_thread_of_a_gpu_has_its_own_pinned_buffer(monkeypatch):
    pinned, streams = [], []
    plain = torch.empty

    def empty(shape, *, pin_memory=False, **options):
        pinned.append((shape, pin_memory))
        return plain(shape, **options)

    monkeypatch.setattr("torch.cuda.Stream", lambda device: streams.append(device) or "stream")
    monkeypatch.setattr("torch.cuda.stream", lambda _: nullcontext())
    monkeypatch.setattr("torch.empty", empty)
    network, tiles = FirstPixel(), noise(6, side=4)
    backbone = fake(network, batch=4)
    backbone._desk = timm_backbone._Desk("cuda:0")
    first = backbone._desk.filled(tiles[:4], 4)
    for _ in range(2):
        rows = backbone.embed(tiles)
        np.testing.assert_allclose(rows, expected(tiles), rtol=1e-5, atol=1e-6)
    assert backbone._desk.buffer is first
    assert (first[2:] == 0).all()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(backbone.embed, tiles).result()
    assert (other == rows).all()
    assert streams == ["cuda:0", "cuda:0"]
    assert [entry for entry in pinned if entry[1]] == 2 * [((4, 4, 4, 3), True)]


class Gpu(Pixels):
    """Says that it is a GPU, and computes on the CPU."""

    def __init__(self, network):
        super().__init__(network, torch.device("cpu"))
        self.device = SimpleNamespace(type="cuda")

    def __call__(self, tiles):
        return (tiles.permute(0, 3, 1, 2).float() / 255 - self._mean) / self._std


@pytest.mark.parametrize(("asked", "expected_sizes"), [(12, {12}), ("auto", {8, 16, 32})])
def test_a_gpu_gets_the_batch_that_is_asked_for_or_measured(monkeypatch, asked, expected_sizes):
    network, waited = FirstPixel(room=40), []
    network.feature_dim = 3
    plan = Plan(
        "first-pixel",
        None,
        BackboneConfig(precision="fp32"),
        tile_px=4,
        identity={"name": "first-pixel", "weights_sha256": ""},
    )
    monkeypatch.setattr(timm_backbone, "_placed", lambda *_: (network, Gpu(network)))
    monkeypatch.setattr("torch.cuda.Stream", lambda _: "stream")
    monkeypatch.setattr("torch.cuda.stream", lambda _: nullcontext())
    monkeypatch.setattr("torch.cuda.synchronize", waited.append)
    plain = torch.empty
    monkeypatch.setattr("torch.empty", lambda shape, pin_memory=False, **o: plain(shape, **o))
    backbone = timm_backbone.build_timm(plan, device="cuda:0", batch_size=asked)
    assert backbone.batch_size in expected_sizes
    assert len(waited) == 1
    tiles = noise(50, side=4)
    np.testing.assert_allclose(backbone.embed(tiles), expected(tiles), rtol=1e-5, atol=1e-6)


def test_the_batch_of_a_device_is_measured():
    network = FirstPixel(room=40)
    backbone = fake(network, batch=1)
    backbone.choose_batch_size()
    assert backbone.batch_size in (8, 16, 32)
    assert network.seen[-1] == 64


def test_a_row_is_the_same_to_the_bit_whatever_else_is_in_the_batch():
    backbone = build()
    tiles = noise(4)
    alone = np.concatenate([backbone.embed(tiles[k : k + 1]) for k in range(4)])
    assert (backbone.embed(tiles) == alone).all()
    assert (backbone.embed(tiles[::-1].copy()) == alone[::-1]).all()
    assert backbone.embed(tiles[:0]).shape == (0, 384)
    assert backbone.batch_size == 1


def test_a_batch_of_many_gives_the_rows_of_each_alone(monkeypatch):
    tiles, one_by_one = noise(5), build()
    monkeypatch.setattr(timm_backbone, "CPU_BATCH", 4)
    together = build()
    assert together.batch_size == 4
    np.testing.assert_allclose(together.embed(tiles), one_by_one.embed(tiles), rtol=1e-3, atol=1e-4)


def test_the_rows_of_a_tile_lie_together():
    tiles, backbone = noise(3), build(tokens="grid:2")
    rows = backbone.embed(tiles)
    assert rows.shape == (12, 384)
    assert (rows[4:8] == backbone.embed(tiles[1:2])).all()


def test_the_built_network_is_what_its_identity_said_beforehand():
    fields = {"name": "dinov2_vits14_reg", "random_weights": True, "precision": "auto"}
    backbone = build(**fields)
    assert isinstance(backbone, Backbone)
    assert backbone.identity == backbone_identity(BackboneConfig(**fields))
    assert backbone.identity["precision"] == "auto"
    assert backbone.precision in ("fp32", "bf16", "bf16-autocast")
    assert backbone.name == f"timm:{SMALL}"


@pytest.mark.parametrize("precision", ["bf16", "bf16-autocast"])
@pytest.mark.parametrize("tokens", ["cls", "grid:2"])
def test_rows_in_bf16_are_float32_and_close(precision, tokens):
    tiles = noise(2)
    exact, found = (build(precision=p, tokens=tokens).embed(tiles) for p in ("fp32", precision))
    assert found.dtype == np.float32
    products = (exact * found).sum(axis=1)
    cosines = products / np.linalg.norm(exact, axis=1) / np.linalg.norm(found, axis=1)
    assert (exact != found).any()
    assert cosines.min() > 0.999


def test_an_untrained_network_tells_tiles_apart():
    rows = build().embed(noise(2))
    assert np.abs(rows[0] - rows[1]).mean() > 0.05
    assert "random" in build().identity["weights"]


@pytest.mark.parametrize(("tile_px", "advice"), [(520, "518 or 532"), (10, "14 or 28")])
def test_a_tile_that_patches_do_not_fill_is_refused_with_the_nearest_sizes(tile_px, advice):
    with pytest.raises(BackboneTileError, match=f"patches of 14 px.*Set it to {advice}"):
        build(tile_px=tile_px)


def test_a_tile_that_only_the_network_knows_to_be_wrong_is_refused_by_name():
    with pytest.raises(UnusableTileError, match=r"levit.*tiles of 40 px .*`tiling\.tile_px`"):
        build(name="timm:levit_128s", tile_px=40)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_that_its_reader_cannot_read_is_refused_before_any_photo(monkeypatch, precision):
    def broken(*_):
        msg = "odd number\nlong story"
        raise IndexError(msg)

    monkeypatch.setattr("biomass_pipeline.features.token_reader.TransformerReader._rows", broken)
    with pytest.raises(UnusableTileError, match=r"tiles of 56 px .*: odd number\."):
        build(precision=precision)


def test_rows_of_another_shape_than_promised_are_refused_before_any_photo(monkeypatch):
    monkeypatch.setattr(
        "biomass_pipeline.features.token_reader.TransformerReader._rows",
        lambda *_: torch.zeros(1, 1, 5),
    )
    with pytest.raises(UnusableTileError, match=r"rows of shape \(1, 5\), not \(1, 384\)"):
        build()


def test_a_reading_that_only_the_network_knows_to_be_wrong_is_refused_while_building():
    with pytest.raises(UnsupportedReadingError, match="no map of places"):
        build(name="timm:mixer_s32_224", tile_px=224, tokens="mean+max+gem")


@pytest.mark.parametrize(
    ("precision", "advice"),
    [
        ("fp32", r"`backbone\.precision` fp32\. Set `backbone\.precision` to bf16, or use a sm"),
        ("auto", r"`backbone\.precision` auto\. Set `backbone\.precision` to bf16, or use a sm"),
        ("bf16", r"`backbone\.precision` bf16\. Use a smaller backbone"),
    ],
)
@pytest.mark.parametrize("where", ["to", "forward"])
def test_a_network_too_large_for_its_device_is_told_with_the_way_out(
    monkeypatch, precision, advice, where
):
    moved = nn.Module.to

    def full(module, *place, **options):
        if where == "forward" or place == (torch.bfloat16,):
            return moved(module, *place, **options)
        raise torch.OutOfMemoryError

    def forward(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr("biomass_pipeline.features.token_reader.TransformerReader.to", full)
    if where == "forward":
        monkeypatch.setattr(
            "biomass_pipeline.features.token_reader.TransformerReader.forward", forward
        )
    with pytest.raises(DeviceMemoryError, match=rf"one tile .* memory of cpu with {advice}"):
        build(precision=precision)


def test_the_copy_in_float32_is_gone_before_batches_are_measured(monkeypatch):
    placed, left = [], []

    def place(*_):
        network = FirstPixel()
        network.feature_dim = 3
        network.weight = nn.Parameter(torch.ones(1), requires_grad=False)
        network.forward = lambda pixels: pixels[:, None, :, 0, 0]
        placed.append(weakref.ref(network))
        return network, Gpu(network)

    monkeypatch.setattr(timm_backbone, "_placed", place)
    monkeypatch.setattr("torch.cuda.Stream", lambda _: "stream")
    monkeypatch.setattr("torch.cuda.synchronize", lambda _: None)
    monkeypatch.setattr("biomass_pipeline.features.precision.has_native_bf16", lambda _: True)
    monkeypatch.setattr(
        TimmBackbone, "choose_batch_size", lambda _: left.append(placed[0]() is not None)
    )
    identity = {"name": "first-pixel", "weights_sha256": ""}
    plan = Plan("first", None, BackboneConfig(precision="auto"), tile_px=4, identity=identity)
    backbone = timm_backbone.build_timm(plan, device="cuda:0", batch_size="auto")
    assert backbone.precision == "bf16"
    assert left == [False]


def test_a_restrictive_licence_is_said_aloud_when_weights_are_loaded(tmp_path, caplog):
    spec = {"precision": "fp32", "random_weights": False}
    for name, model in (("dinov2_vits14_reg", SMALL), ("dinov3_vits16", "")):
        file = tmp_path / f"{name}.pth"
        if model:
            torch.save(reference.facebook_state(), file)
        else:
            torch.save(build(name=name, tile_px=64)._arithmetic._compute.network.state_dict(), file)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            build(name=name, checkpoint=str(file), tile_px=112, **spec)
        assert ("DINOv3 License" in caplog.text) is (name == "dinov3_vits16")
