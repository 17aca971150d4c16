"""Networks of timm with their weights: from a file in either format, or random."""

from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import nn

from biomass_pipeline.errors import WeightsMisfitError
from biomass_pipeline.features import weights
from biomass_pipeline.features.checkpoint import misfits, networks_that_fit, read_state


def load_network(model: str, path: Path | None, *, tile_px: int) -> nn.Module:
    """Make a network for tiles of a size; positions learned at another one are interpolated.

    Positions are resized as timm does it, bicubic with antialiasing, whatever format the file has.
    facebookresearch/dinov2 resizes those of its networks without registers in another way, so at
    other sizes than 518 px these give slightly other rows there.

    Args:
        model: The network in timm's naming.
        path: Its weights, in timm's or facebookresearch's format; None for random ones.
        tile_px: The side of the tiles it will get.

    Raises:
        UnknownBackboneError: timm has no network of this name.
        WeightsMisfitError: The file holds the weights of another network.
    """
    weights.require_network(model)
    options: dict[str, Any] = {"num_classes": 0}
    place = get_pretrained_cfg(model)
    if place and place.fixed_input_size:
        options["img_size"] = tile_px
    return _trained(model, options, path) if path else _untrained(model, options)


def _untrained(model: str, options: dict[str, Any]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.RANDOM_SEED)
        network = timm.create_model(model, pretrained=False, **options)
    # Layer scales start at 1e-5: untouched, every photo would get nearly the same row.
    for name, parameter in network.named_parameters():
        if name.endswith((".gamma", ".gamma_1", ".gamma_2")):
            nn.init.ones_(parameter)
    return network


def _trained(model: str, options: dict[str, Any], path: Path) -> nn.Module:
    """The network with a file's weights, timm's or facebookresearch's, after checking the fit."""
    try:
        state = read_state(path)
    except Exception as error:  # each format's reader has errors of its own
        raise _misfit(path, model, "it cannot be read as weights", error) from error
    with torch.device("meta"):
        skeleton = timm.create_model(model, pretrained=False, **options)
    problems = misfits(state, skeleton)
    if problems:
        fits = networks_that_fit(state)
        raise WeightsMisfitError(path, model=model, problems=problems, fits=fits)
    overlay = {"state_dict": dict(state), "source": "", "custom_load": False}
    try:
        return timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except Exception as error:  # what no check of keys and shapes foresees
        raise _misfit(path, model, "timm cannot load it", error) from error


def _misfit(path: Path, model: str, problem: str, error: Exception) -> WeightsMisfitError:
    return WeightsMisfitError(path, model=model, problems=[f"{problem} ({type(error).__name__})"])
