"""Networks of timm on this machine: their shape, and matrix products of just that shape.

Imports torch and timm; the session imports it when a network is measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import nn
from torch.nn import functional

from biomass_pipeline.benchmark.shapes import NetworkShape, Product
from biomass_pipeline.benchmark.timing import Effort, fastest
from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.features.registry import source_of
from biomass_pipeline.features.tokens import blocks_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "bf16-autocast": torch.bfloat16}
# A GPU is asked for so many blocks before it is waited for, so that launching costs nothing.
_GPU_BLOCKS = 24


@dataclass(frozen=True)
class Work:
    """A call and the floating-point operations that it makes."""

    call: Callable[[], None]
    flops: int

    def lasting(self, seconds: float) -> "Work":
        """The same over and over, for about so long; the first call, which warms up, is made."""
        self.call()
        took_s = fastest({"": self.call}, effort=Effort(rounds=2, enough_s=0))[""]
        times = max(round(seconds / took_s), 1)

        def call() -> None:
            for _ in range(times):
                self.call()

        return Work(call, self.flops * times)


def shape_of(spec: BackboneConfig, *, tile_px: int) -> NetworkShape | None:
    """The shape of a configured backbone; None where it is no vision transformer of timm."""
    source = source_of(spec)
    shape = network_shape(source, tile_px=tile_px) if isinstance(source, str) else None
    if shape is None:
        return None
    # Blocks above the last that is read are not computed.
    return replace(shape, depth=max(blocks_of(spec, depth=shape.depth)) + 1)


def network_shape(model: str, *, tile_px: int) -> NetworkShape | None:
    """The shape of a vision transformer; None for other networks.

    Args:
        model: The network in timm's naming.
        tile_px: The side of its tiles.
    """
    place = get_pretrained_cfg(model)
    options: dict[str, Any] = {"img_size": tile_px} if place and place.fixed_input_size else {}
    with torch.device("meta"):
        network: Any = timm.create_model(model, pretrained=False, num_classes=0, **options)
    blocks, patch = getattr(network, "blocks", None), getattr(network, "patch_embed", None)
    if blocks is None or patch is None or not hasattr(network, "num_prefix_tokens"):
        return None
    height_px, width_px = patch.patch_size
    patches = (tile_px // height_px) * (tile_px // width_px)
    return NetworkShape(
        patches=patches,
        tokens=patches + int(network.num_prefix_tokens),
        width=int(network.num_features),
        depth=len(blocks),
        products=_products(blocks[0]),
        patch_numbers=3 * height_px * width_px,
    )


def matrix_products(
    shape: NetworkShape, *, precision: str, device: str, batch_size: int = 1
) -> Work:
    """The linear layers of one block as bare matrix products, in the network's own order.

    What they reach is the network's limit: everything else that it does comes on top.

    Args:
        shape: Which layers, and how many tokens.
        precision: fp32, bf16 or bf16-autocast.
        device: As PyTorch names it.
        batch_size: Tiles at once, as the backbone gets them.
    """
    place, dtype = torch.device(device), DTYPES[precision]
    rows = batch_size * shape.tokens
    pairs = [
        (
            torch.ones(rows, layer.inner, dtype=dtype, device=place),
            torch.ones(layer.outer, layer.inner, dtype=dtype, device=place),
        )
        for layer in shape.products
    ]
    blocks = 1 if place.type == "cpu" else _GPU_BLOCKS

    @torch.inference_mode()
    def call() -> None:
        for _ in range(blocks):
            for numbers, weight in pairs:
                functional.linear(numbers, weight)
        wait(device)

    return Work(call, flops=blocks * batch_size * shape.block_flops)


def wait(device: str) -> None:
    """Until the device has done all that it was given."""
    place = torch.device(device)
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    elif place.type == "mps":
        torch.mps.synchronize()


def _products(block: nn.Module) -> tuple[Product, ...]:
    layers = [(name, part) for name, part in block.named_modules() if isinstance(part, nn.Linear)]
    return tuple(Product(name, layer.in_features, layer.out_features) for name, layer in layers)
