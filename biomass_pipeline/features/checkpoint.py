"""Whether a checkpoint's tensors are those of a network, and which network they are of."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from timm.models import load_state_dict
from torch import Tensor, nn

from biomass_pipeline.features.naming import DINOV2_TAG, NETWORKS

State = Mapping[str, Tensor]

# How a gated MLP's extra weights are called: by timm, by facebookresearch (DINOv2's, DINOv3's).
_GATES = ("blocks.0.mlp.fc1_g.weight", "blocks.0.mlp.w12.weight", "blocks.0.mlp.w3.weight")
_MLP = ("blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.weight")
_REGISTERS = ("reg_token", "register_tokens", "storage_tokens")
_BIASES = ("blocks.0.attn.qkv.bias", "blocks.0.attn.q_bias")


@dataclass(frozen=True)
class Build:
    """What tells one vision transformer from another.

    Attributes:
        width: Of a token.
        depth: How many blocks.
        registers: How many register tokens.
        patch_px: Side of a patch.
        positions: Whether learned ones are added to the tokens, or they are turned by angles.
        biases: Whether queries and values have them.
        gated: Whether the MLP is gated (SwiGLU).
    """

    width: int
    depth: int
    registers: int
    patch_px: int
    positions: str
    biases: str
    gated: str


def read_state(path: Path) -> State:
    """The tensors of a file in either format, read as data: nothing in it is run.

    Raises:
        TypeError: It holds something else than tensors by name.
        Exception: What its reader raises; each format's has errors of its own.
    """
    state: Any = load_state_dict(str(path), weights_only=True)
    if not isinstance(state, dict) or not state:
        msg = "no tensors by name"
        raise TypeError(msg)
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        msg = "something else than tensors"
        raise TypeError(msg)
    return state


def misfits(state: State, network: nn.Module) -> list[str]:
    """Why a checkpoint cannot be loaded into a network; empty when it can.

    Args:
        state: The tensors of a checkpoint, in timm's or facebookresearch's naming.
        network: The network, which may lie on the meta device.
    """
    try:
        found, expected = vit_build(state), vit_build(network.state_dict())
        if found and expected and found != expected:
            return _other_build(found, expected)
        converted = _in_timm_naming(state, network)
        return _differences(converted, network)
    except Exception as error:  # noqa: BLE001 - tensors of any shape may be in a stranger's file
        return [f"timm cannot convert it ({type(error).__name__}: {error})"]


def networks_that_fit(state: State) -> list[str]:
    """The registered networks that a checkpoint's widths and counts belong to."""
    try:
        build = vit_build(state)
    except Exception:  # noqa: BLE001 - as above
        return []
    return [name for name, known in _builds().items() if known == build]


def vit_build(state: State) -> Build | None:
    """Read a vision transformer's build off its tensors; None for any other network."""
    patches, class_token = state.get("patch_embed.proj.weight"), state.get("cls_token")
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    if patches is None or class_token is None:
        return None
    registers = next((state[name].shape[1] for name in _REGISTERS if name in state), 0)
    return Build(
        width=class_token.shape[-1],
        depth=len(blocks),
        registers=registers,
        patch_px=patches.shape[-1],
        positions="learned" if "pos_embed" in state else "rotary",
        biases="yes" if any(name in state for name in _BIASES) else "no",
        gated="yes" if _is_gated(state) else "no",
    )


def _is_gated(state: State) -> bool:
    """Gates have weights of their own, or lie in the first layer, which is then twice as wide."""
    first, second = (state.get(name) for name in _MLP)
    packed = first is not None and second is not None and first.shape[0] != second.shape[1]
    return packed or any(name in state for name in _GATES)


def _other_build(found: Build, expected: Build) -> list[str]:
    return [
        f"{field.name.removesuffix('_px')} {getattr(found, field.name)} "
        f"instead of {getattr(expected, field.name)}"
        for field in fields(Build)
        if getattr(found, field.name) != getattr(expected, field.name)
    ]


def _builds() -> dict[str, Build]:
    """The builds of DINOv2 and DINOv3 by their names in timm, without tags."""
    return {
        network.model.rpartition(".")[0]: Build(
            width=network.width,
            depth=network.depth,
            registers=4 if "dinov3" in name or name.endswith("_reg") else 0,
            patch_px=network.patch_px,
            positions="learned" if network.model.endswith(DINOV2_TAG) else "rotary",
            biases="no" if "7b" in name else "yes",
            gated="yes" if "vitg" in name or "plus" in name or "7b" in name else "no",
        )
        for name, network in NETWORKS.items()
        if name.startswith("dino")
    }


def _in_timm_naming(state: State, network: nn.Module) -> State:
    """Each family of timm converts foreign checkpoints by a function of its own module."""
    family = sys.modules[type(network).__module__]
    convert: Any = getattr(family, "checkpoint_filter_fn", None)
    converted: State = convert(dict(state), network) if convert else state
    return converted


def _differences(state: State, network: nn.Module) -> list[str]:
    expected = network.state_dict()
    missing = sorted(expected.keys() - state.keys())
    classifier: Any = network.pretrained_cfg
    heads = _heads(classifier["classifier"])
    extra = sorted(key for key in state.keys() - expected.keys() if not key.startswith(heads))
    problems = [f"{len(missing)} tensors are missing, such as {missing[0]}"] if missing else []
    problems += [f"{len(extra)} tensors are unknown, such as {extra[0]}"] if extra else []
    return problems + [
        f"{key} has {_kind(state[key])} instead of {_kind(expected[key])}"
        for key in sorted(expected.keys() & state.keys())
        if _kind(state[key]) != _kind(expected[key])
    ]


def _kind(tensor: Tensor) -> str:
    """Shape, and numbers of which kind: half or double precision is as good as single."""
    whole = "floating-point" if tensor.is_floating_point() else str(tensor.dtype)
    return f"shape {tuple(tensor.shape)} of {whole} numbers"


def _heads(classifier: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """How names of classifier tensors start: a frozen backbone leaves them out.

    >>> _heads(("head.fc", "head_dist"))
    ('head.', 'head_dist.')
    """
    names = (classifier,) if isinstance(classifier, str) else classifier or ()
    return tuple(f"{name.partition('.')[0]}." for name in names)
