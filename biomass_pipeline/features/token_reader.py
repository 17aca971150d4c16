"""Which numbers of a network of timm become a tile's rows: tokens, layers, pooling."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BackboneTileError, TokenCountError, UnsupportedReadingError
from biomass_pipeline.features.tokens import (
    GRID,
    PATCHES,
    blocks_of,
    cells_of,
    check_plain,
    has_cells,
    refuse_tokens,
)

# The exponent of generalised mean pooling (Radenovic et al. 2018) and its smallest argument.
GEM_POWER = 3.0
GEM_LEAST = 1e-6
# Tile, feature, row, column, in either order.
MAP_DIMENSIONS = 4
# Vectors that stand side by side in a row.
_PARTS = {"cls": 1, "cls+mean": 2, "mean+max+gem": 3}


class TransformerReader(nn.Module):
    """Reads a vision transformer: class token, patch tokens, of one block or several.

    Each block's tokens pass through the network's final norm, or the one it applies after pooling.
    A network without class token gives what its own pooling makes of the block. Register tokens
    never leave it.
    """

    def __init__(self, network: nn.Module, spec: BackboneConfig, *, tile_px: int) -> None:
        super().__init__()
        of_timm: Any = network
        self.network = network
        self.feature_norm = getattr(network, "fc_norm", None) or nn.Identity()
        self._name, self._tokens = spec.name, spec.tokens
        self._patches = _patches_per_side(of_timm, spec.name, tile_px)
        self._blocks = blocks_of(spec, depth=len(of_timm.blocks))
        self._prefix = int(of_timm.num_prefix_tokens)
        self._has_class = of_timm.cls_token is not None
        parts = _PARTS.get(spec.tokens, 1) * len(self._blocks)
        self.feature_dim = int(of_timm.num_features) * parts
        if spec.tokens.startswith(GRID):
            bounds = cells_of(spec, tile_px=tile_px)
            starts = [bound * self._patches // tile_px for bound in bounds]
            # Whole numbers: a change of the weights' type leaves them alone.
            self.register_buffer("members", _members(starts), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Read normalised pixels.

        Args:
            pixels: Shape (tile, 3, side, side).

        Returns:
            Shape (tile, cell, feature): block beside block, within a block part beside part.

        Raises:
            TokenCountError: The network's tokens do not match its patches.
        """
        of_timm: Any = self.network
        found = of_timm.forward_intermediates(
            pixels,
            indices=self._blocks,
            norm=True,
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
            return_prefix_tokens=self._prefix > 0,
        )
        return torch.cat([self._rows(*self._split(block)) for block in found], dim=-1)

    def _split(self, block: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - one tensor or a pair
        """Prefix and patch tokens of one block."""
        patches, prefix = block if self._prefix else (block, block[:, :0])
        if patches.shape[1] != self._patches**2 or prefix.shape[1] != self._prefix:
            counts = {"prefix": self._prefix, "patches": self._patches**2}
            found = patches.shape[1] + prefix.shape[1]
            raise TokenCountError(self._name, found=found, **counts)
        return prefix, patches

    def _rows(self, prefix: Tensor, patches: Tensor) -> Tensor:
        tokens: Tensor = self.feature_norm(patches).float()
        if self._tokens == PATCHES:
            return tokens
        if self._tokens.startswith(GRID):
            members: Any = self.members
            return cell_means(tokens, members.float())
        if self._tokens == "mean+max+gem":
            return mean_max_gem(tokens)
        whole = self._class_token(prefix, patches)
        if self._tokens == "cls+mean":
            whole = torch.cat([whole, tokens.mean(dim=1)], dim=-1)
        return whole.unsqueeze(1)

    def _class_token(self, prefix: Tensor, patches: Tensor) -> Tensor:
        if self._has_class:
            token: Tensor = self.feature_norm(prefix[:, 0])
        else:
            of_timm: Any = self.network
            token = of_timm.forward_head(torch.cat([prefix, patches], dim=1))
        return token.float()


class MapReader(nn.Module):
    """Reads any other network: its pooled feature, or the map before pooling."""

    def __init__(self, network: nn.Module, spec: BackboneConfig) -> None:
        super().__init__()
        self.network: Any = network
        self._name, self._tokens = spec.name, spec.tokens
        if has_cells(spec) or spec.tokens == "cls+mean":
            reason = "it is no plain vision transformer: it has a pooled feature and a map"
            refuse_tokens(spec.name, spec, reason, works="cls or mean+max+gem")
        plain = spec.model_copy(update={"tokens": "cls"})
        check_plain(plain, reason="its layers have widths and sizes of their own")
        pooled = getattr(network, "head_hidden_size", None) or network.num_features
        width = pooled if spec.tokens == "cls" else network.num_features
        self.feature_dim = int(width) * _PARTS[spec.tokens]  # type: ignore[arg-type] # timm's

    def forward(self, pixels: Tensor) -> Tensor:
        """Read normalised pixels of shape (tile, 3, side, side) into (tile, 1, feature).

        Raises:
            UnsupportedReadingError: There is no map to be pooled.
        """
        if self._tokens == "cls":
            pooled: Tensor = self.network(pixels)
            return pooled.float().unsqueeze(1)
        places: Tensor = self.network.forward_features(pixels)
        if places.ndim != MAP_DIMENSIONS:
            reason = "its last layer is no map of places"
            raise UnsupportedReadingError(
                self._name, setting=f"tokens: {self._tokens}", reason=reason, works="cls"
            )
        if getattr(self.network, "output_fmt", "NCHW") != "NHWC":
            places = places.permute(0, 2, 3, 1)
        return mean_max_gem(places.flatten(1, 2).float())


Reader = TransformerReader | MapReader


def reader_of(network: nn.Module, spec: BackboneConfig, *, tile_px: int) -> Reader:
    """The reader for a network of timm.

    Raises:
        UnsupportedReadingError: The network cannot give the configured tokens or layers.
        BackboneTileError: Patches do not fill a tile of this size.
    """
    if is_transformer(network):
        return TransformerReader(network, spec, tile_px=tile_px)
    return MapReader(network, spec)


def is_transformer(network: nn.Module) -> bool:
    """Whether a network is a plain vision transformer: blocks over one sequence of tokens.

    Some of timm's look like one, but do not hand out their prefix tokens, or have no patches.
    """
    offered = ("forward_intermediates", "blocks", "patch_embed", "num_prefix_tokens", "cls_token")
    if not all(hasattr(network, word) for word in offered):
        return False
    of_timm: Any = network
    asked = inspect.signature(of_timm.forward_intermediates).parameters
    return "return_prefix_tokens" in asked and hasattr(of_timm.patch_embed, "patch_size")


def mean_max_gem(tokens: Tensor) -> Tensor:
    """Mean, maximum and generalised mean of tokens, side by side.

    Args:
        tokens: Shape (tile, token, feature).

    Returns:
        Shape (tile, 1, 3 * feature).
    """
    gem = tokens.clamp(min=GEM_LEAST).pow(GEM_POWER).mean(dim=1).pow(1 / GEM_POWER)
    pooled = [tokens.mean(dim=1), tokens.amax(dim=1), gem]
    return torch.cat(pooled, dim=-1).unsqueeze(1)


def cell_means(tokens: Tensor, members: Tensor) -> Tensor:
    """The mean of each cell's patch tokens.

    Args:
        tokens: Shape (tile, patch, feature), patches row by row.
        members: Shape (cell, patch) along one side: 1 where a patch lies in a cell, else 0.

    Returns:
        Shape (tile, cell, feature), cells row by row.
    """
    shares = members / members.sum(dim=1, keepdim=True)
    side = members.shape[1]
    square = tokens.reshape(len(tokens), side, side, -1)
    # Mixed arithmetic ends here: in bf16 a third is off by two thousandths, and means with it.
    with torch.autocast(tokens.device.type, enabled=False):
        return torch.einsum("ga,hb,tabf->tghf", shares, shares, square).flatten(1, 2)


def _members(starts: list[int]) -> Tensor:
    """Which patches along a side lie in which cell, shape (cell, patch)."""
    patch, bounds = torch.arange(starts[-1]), torch.tensor(starts)
    return ((patch >= bounds[:-1, None]) & (patch < bounds[1:, None])).long()


def _patches_per_side(network: Any, name: str, tile_px: int) -> int:  # noqa: ANN401 - of timm
    # Where convolutions come first, a token's pixels are more than its patch of their map.
    ratio = getattr(network.patch_embed, "feat_ratio", None)
    side_px = ratio() if ratio else max(network.patch_embed.patch_size)
    if tile_px % side_px:
        raise BackboneTileError(name, tile_px=tile_px, patch_px=side_px)
    return tile_px // int(side_px)
