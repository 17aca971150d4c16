"""Frozen networks of timm: DINOv2 and any other, from a local file or the hub.

With `checkpoint` the only module of this room that imports torch: the registry imports it when a
network is asked for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.models import get_pretrained_cfg, load_state_dict
from torch import nn

from biomass_pipeline.errors import TokenCountError, WeightsMisfitError
from biomass_pipeline.features import weights
from biomass_pipeline.features.backbone import Features, Tiles
from biomass_pipeline.features.checkpoint import misfits, networks_that_fit

# On a CPU single tiles are as fast as small batches and cannot see their neighbours; a GPU gets
# batches of one size, the last one padded, so a row never depends on how many came with it.
CPU_BATCH = 1
GPU_BATCH = 32


class TimmBackbone:
    """Embeds a tile as the class token of the last layer after the final norm.

    A network without class token gives its own pooled feature. Register tokens never leave it.
    """

    def __init__(
        self, network: nn.Module, *, tile_px: int, identity: Mapping[str, str], device: str
    ) -> None:
        self.name = identity["name"]
        self.tile_px = tile_px
        self.identity = identity
        self.weights_sha256 = identity["weights_sha256"]
        self.feature_dim = int(network.num_features)  # type: ignore[arg-type] # timm's attribute
        self._device = torch.device(device)
        self._batch = CPU_BATCH if self._device.type == "cpu" else GPU_BATCH
        self._network = network.eval().requires_grad_(requires_grad=False).to(self._device)
        place: Any = network.pretrained_cfg
        self._mean = self._channels(place["mean"])
        self._std = self._channels(place["std"])

    @torch.inference_mode()
    def embed(self, tiles: Tiles) -> Features:
        """Embed tiles of shape (tile, side, side, 3) into rows of shape (tile, feature).

        Raises:
            TokenCountError: The network's tokens do not match its patches.
        """
        rows = np.empty((len(tiles), self.feature_dim), np.float32)
        for start in range(0, len(tiles), self._batch):
            some = tiles[start : start + self._batch]
            filled = np.zeros((self._batch, *some.shape[1:]), np.uint8)
            filled[: len(some)] = some
            rows[start : start + len(some)] = self._forward(filled)[: len(some)].cpu().numpy()
        return rows

    def _forward(self, tiles: Tiles) -> torch.Tensor:
        """Features of shape (tile, feature) on the device."""
        pixels = torch.from_numpy(tiles).to(self._device).permute(0, 3, 1, 2).float() / 255
        pixels = (pixels - self._mean) / self._std
        network: Any = self._network
        if getattr(network, "cls_token", None) is None:
            return network(pixels)  # type: ignore[no-any-return] # timm is untyped
        tokens: torch.Tensor = network.forward_features(pixels)
        self._check_tokens(tokens.shape[1])
        class_token: torch.Tensor = network.fc_norm(tokens[:, 0])
        return class_token

    def _check_tokens(self, found: int) -> None:
        network: Any = self._network
        height_px, width_px = network.patch_embed.patch_size
        patches = (self.tile_px // height_px) * (self.tile_px // width_px)
        prefix = int(network.num_prefix_tokens)
        if found != prefix + patches:
            raise TokenCountError(self.name, found=found, prefix=prefix, patches=patches)

    def _channels(self, values: tuple[float, ...]) -> torch.Tensor:
        return torch.tensor(values, device=self._device).view(1, -1, 1, 1)


def build_timm(
    model: str, path: Path | None, *, tile_px: int, device: str, identity: Mapping[str, str]
) -> TimmBackbone:
    """Build a network of timm.

    Args:
        model: The network in timm's naming.
        path: Its weights, in timm's or facebookresearch's format; None for random ones.
        tile_px: The side of the tiles it will get.
        device: Where it runs.
        identity: What decides its output.

    Raises:
        UnknownBackboneError: timm has no network of this name.
        WeightsMisfitError: The file holds the weights of another network.
    """
    weights.require_network(model)
    options: dict[str, Any] = {"num_classes": 0}
    place = get_pretrained_cfg(model)
    if place and place.fixed_input_size:
        options["img_size"] = tile_px
    network = _trained(model, options, path) if path else _untrained(model, options)
    return TimmBackbone(network, tile_px=tile_px, identity=identity, device=device)


def _untrained(model: str, options: dict[str, Any]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.RANDOM_SEED)
        network = timm.create_model(model, pretrained=False, **options)
    # Layer scales start at 1e-5: untouched, every photo would get nearly the same row.
    for name, parameter in network.named_parameters():
        if name.endswith(".gamma"):
            nn.init.ones_(parameter)
    return network


def _trained(model: str, options: dict[str, Any], path: Path) -> nn.Module:
    """The network with a file's weights, timm's or facebookresearch's, after checking the fit."""
    try:
        state = load_state_dict(str(path))
    except Exception as error:  # each format's reader has errors of its own
        problem = f"it cannot be read as weights ({type(error).__name__})"
        raise WeightsMisfitError(path, model=model, problems=[problem]) from error
    with torch.device("meta"):
        skeleton = timm.create_model(model, pretrained=False, **options)
    problems = misfits(state, skeleton)
    if problems:
        fits = networks_that_fit(state)
        raise WeightsMisfitError(path, model=model, problems=problems, fits=fits)
    overlay = {"state_dict": state, "source": "", "custom_load": False}
    return timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay, **options)
