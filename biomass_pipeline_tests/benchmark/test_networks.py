"""The counted operations are torch's own count, and the products are the network's."""

import pytest
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from biomass_pipeline.benchmark import named_backbone
from biomass_pipeline.benchmark.networks import matrix_products, network_shape, shape_of, wait
from biomass_pipeline.config import BackboneConfig

TINY = "vit_tiny_patch16_224"
SMALL, LARGE = "vit_small_patch14_reg4_dinov2", "vit_large_patch14_reg4_dinov2"


def counted(model, tile_px, **options):
    """Operations of a forward pass of one tile, on the device that computes nothing."""
    with torch.device("meta"):
        network = timm.create_model(model, pretrained=False, num_classes=0, **options).eval()
        pixels = torch.empty(1, 3, tile_px, tile_px)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(pixels)
    return counter.get_total_flops()


@pytest.mark.parametrize(("model", "tile_px"), [(TINY, 224), (SMALL, 518), (LARGE, 518)])
def test_the_formula_is_torchs_count(model, tile_px):
    assert network_shape(model, tile_px=tile_px).tile_flops == counted(
        model, tile_px, img_size=tile_px
    )


def test_a_gated_network_is_counted_from_its_own_layers():
    model = "vit_base_patch16_dinov3"
    shape = network_shape(model, tile_px=64)
    assert shape.tile_flops == counted(model, 64)
    assert shape.tokens == 16 + 1 + 4


@pytest.mark.parametrize(("model", "flops"), [(SMALL, 94e9), (LARGE, 1.017e12)])
def test_known_networks_cost_what_is_published(model, flops):
    assert network_shape(model, tile_px=518).tile_flops == pytest.approx(flops, rel=5e-3)


def test_a_network_without_blocks_has_no_shape():
    assert network_shape("resnet18", tile_px=64) is None
    assert shape_of(BackboneConfig(name="colour-texture"), tile_px=64) is None


def test_blocks_above_the_last_that_is_read_cost_nothing():
    whole = shape_of(named_backbone(SMALL), tile_px=28)
    spec = named_backbone(SMALL).model_copy(update={"layers": "2,5"})
    assert whole.depth == 12
    assert shape_of(spec, tile_px=28).depth == 6


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_products_are_those_of_one_block(precision):
    shape = network_shape(TINY, tile_px=32)
    work = matrix_products(shape, precision=precision, device="cpu", batch_size=3)
    with FlopCounterMode(display=False) as counter:
        work.call()
    assert counter.get_total_flops() == work.flops == 3 * shape.block_flops


def test_a_lasting_work_counts_all_its_turns(monkeypatch):
    work = matrix_products(network_shape(TINY, tile_px=32), precision="fp32", device="cpu")
    monkeypatch.setattr(
        "biomass_pipeline.benchmark.networks.fastest", lambda calls, effort: dict.fromkeys(calls, 2)
    )
    lasting = work.lasting(6.0)
    with FlopCounterMode(display=False) as counter:
        lasting.call()
    assert counter.get_total_flops() == lasting.flops == 3 * work.flops
    assert work.lasting(0.1).flops == work.flops


def test_a_gpu_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr("torch.cuda.synchronize", waited.append)
    monkeypatch.setattr("torch.mps.synchronize", lambda: waited.append("mps"))
    for device in ("cpu", "cuda:1", "mps"):
        wait(device)
    assert waited == [torch.device("cuda:1"), "mps"]
