"""Whether a checkpoint's tensors are those of a network, and which network they are of."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

# The four widths of DINOv2 (Oquab et al. 2024, table 16) and timm's words for them.
SIZES = {(384, 12): "small", (768, 12): "base", (1024, 24): "large", (1536, 40): "giant"}

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Build:
    """What tells one vision transformer from another."""

    width: int
    depth: int
    registers: int
    patch_px: int


def misfits(state: State, network: nn.Module) -> list[str]:
    """Why a checkpoint cannot be loaded into a network; empty when it can.

    Args:
        state: The tensors of a checkpoint, in timm's or facebookresearch's naming.
        network: The network, which may lie on the meta device.
    """
    found, expected = vit_build(state), vit_build(network.state_dict())
    if found and expected and found != expected:
        return [
            f"{what.replace('_px', '')} {getattr(found, what)} instead of {getattr(expected, what)}"
            for what in ("width", "depth", "registers", "patch_px")
            if getattr(found, what) != getattr(expected, what)
        ]
    try:
        converted = _in_timm_naming(state, network)
    except (RuntimeError, KeyError, ValueError, IndexError) as error:
        return [f"timm cannot convert it ({type(error).__name__}: {error})"]
    return _differences(converted, network)


def networks_that_fit(state: State) -> list[str]:
    """The DINOv2 networks, in timm's naming, that a checkpoint's widths and counts belong to."""
    build = vit_build(state)
    size = SIZES.get((build.width, build.depth)) if build else None
    if build is None or size is None:
        return []
    registers = f"reg{build.registers}_" if build.registers else ""
    return [f"vit_{size}_patch{build.patch_px}_{registers}dinov2"]


def vit_build(state: State) -> Build | None:
    """Read a vision transformer's build off its tensors; None for any other network."""
    patches, class_token = state.get("patch_embed.proj.weight"), state.get("cls_token")
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    if patches is None or class_token is None:
        return None
    registers = state.get("reg_token", state.get("register_tokens"))
    return Build(
        width=class_token.shape[-1],
        depth=len(blocks),
        registers=0 if registers is None else registers.shape[1],
        patch_px=patches.shape[-1],
    )


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
        f"{key} has shape {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in sorted(expected.keys() & state.keys())
        if state[key].shape != expected[key].shape
    ]


def _heads(classifier: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """How names of classifier tensors start: a frozen backbone leaves them out.

    >>> _heads(("head.fc", "head_dist"))
    ('head.', 'head_dist.')
    """
    names = (classifier,) if isinstance(classifier, str) else classifier or ()
    return tuple(f"{name.partition('.')[0]}." for name in names)
