"""DINOv2 written out from its definition, in plain PyTorch, and its weights as people have them.

Dosovitskiy et al. 2021 (patches, class token, positions, blocks), Touvron et al. 2021 (LayerScale),
Darcet et al. 2024 (registers: after the class token, without positions), Oquab et al. 2024. Weights
are random, by the names and shapes of facebookresearch/dinov2.
"""

import math

import torch
from torch.nn import functional

PATCH_PX = 14
GRID = 37  # patches along a side of the 518 px at which DINOv2 was published
HEAD_DIM = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def facebook_state(*, width=384, depth=12, registers=4, seed=7):
    """Random weights, large enough that every part of the network matters."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, std):
        return torch.randn(*shape, generator=generator) * std

    state = {
        "cls_token": normal(1, 1, width, std=0.5),
        "pos_embed": normal(1, 1 + GRID**2, width, std=0.5),
        "mask_token": torch.zeros(1, width),
        "patch_embed.proj.weight": normal(width, 3, PATCH_PX, PATCH_PX, std=0.04),
        "patch_embed.proj.bias": normal(width, std=0.1),
        "norm.weight": 1 + normal(width, std=0.1),
        "norm.bias": normal(width, std=0.1),
    }
    if registers:
        state["register_tokens"] = normal(1, registers, width, std=0.5)
    for block in range(depth):
        state |= {f"blocks.{block}.{name}": value for name, value in _block(width, normal).items()}
    return state


def timm_state(state):
    """The same weights by timm's names: registers without positions, the class token with its."""
    state = {name: value for name, value in state.items() if name != "mask_token"}
    if "register_tokens" in state:
        state["reg_token"] = state.pop("register_tokens")
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:].clone()
    return state


@torch.inference_mode()
def forward(state, tiles):
    """Tokens of each block after the final norm.

    Args:
        state: `facebook_state`.
        tiles: uint8, shape (tile, side, side, 3).

    Returns:
        Shape (block, tile, token, width): class token, registers, patches row by row.
    """
    pixels = torch.from_numpy(tiles).permute(0, 3, 1, 2) / 255
    pixels = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    x, normed = _embedded(state, pixels), []
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    for block in range(depth):
        own = {
            name.removeprefix(f"blocks.{block}."): value
            for name, value in state.items()
            if name.startswith(f"blocks.{block}.")
        }
        x = x + own["ls1.gamma"] * _attention(own, _norm(own, "norm1", x))
        hidden = functional.linear(
            _norm(own, "norm2", x), own["mlp.fc1.weight"], own["mlp.fc1.bias"]
        )
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))  # GELU
        out = functional.linear(hidden, own["mlp.fc2.weight"], own["mlp.fc2.bias"])
        x = x + own["ls2.gamma"] * out
        normed.append(_norm(state, "norm", x))
    return torch.stack(normed)


def _block(width, normal):
    shapes = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    shapes |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    made = {}
    for name, shape in shapes.items():
        made[f"{name}.weight"] = normal(*shape, std=shape[1] ** -0.5)
        made[f"{name}.bias"] = normal(shape[0], std=0.1)
    for norm in ("norm1", "norm2"):
        made |= {
            f"{norm}.weight": 1 + normal(width, std=0.1),
            f"{norm}.bias": normal(width, std=0.1),
        }
    return made | {f"{scale}.gamma": 0.5 + normal(width, std=0.1) for scale in ("ls1", "ls2")}


def _embedded(state, pixels):
    weight, bias = state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    grid = pixels.shape[-1] // PATCH_PX
    # A patch is cut out, laid flat and multiplied: what the convolution stands for.
    patches = functional.unfold(pixels, PATCH_PX, stride=PATCH_PX).transpose(1, 2)
    patches = patches @ weight.flatten(1).T + bias
    positions = state["pos_embed"][:, 1:]
    if grid != GRID:
        square = positions.reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
        square = functional.interpolate(square, (grid, grid), mode="bicubic", antialias=True)
        positions = square.permute(0, 2, 3, 1).flatten(1, 2)
    first = (state["cls_token"] + state["pos_embed"][:, :1]).expand(len(pixels), -1, -1)
    registers = state.get("register_tokens", first[:1, :0]).expand(len(pixels), -1, -1)
    return torch.cat([first, registers, patches + positions], dim=1)


def _attention(own, x):
    tiles, tokens, width = x.shape
    qkv = functional.linear(x, own["attn.qkv.weight"], own["attn.qkv.bias"])
    query, key, value = qkv.reshape(tiles, tokens, 3, -1, HEAD_DIM).permute(2, 0, 3, 1, 4)
    weights = (query @ key.transpose(-2, -1) / math.sqrt(HEAD_DIM)).softmax(dim=-1)
    joined = (weights @ value).transpose(1, 2).reshape(tiles, tokens, width)
    return functional.linear(joined, own["attn.proj.weight"], own["attn.proj.bias"])


def _norm(own, name, x):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / torch.sqrt(variance + 1e-6) * own[f"{name}.weight"] + own[f"{name}.bias"]
