"""Aggregators: from the tiles of a photo to its components. A new one is a class and a line below.

Every aggregator gives each tile its share of the prediction, so a map of the shares adds up to the
number that is reported, whatever the aggregator.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.bags import require_tiles

# softplus(_ONE) = 1: outputs start at 1, which is the mean of the scaled labels.
_ONE = 0.5413248546129181


@dataclass(frozen=True)
class Pooled:
    """What an aggregator makes of a bag.

    Attributes:
        components: Shape (bag, component), >= 0, in units of the components' training means.
        embedding: Shape (bag, hidden), for what else a head estimates.
        shares: Shape (bag, tile, component), >= 0: each tile's part of `components`, to which
            they add up; exactly 0 where padded.
    """

    components: Tensor
    embedding: Tensor
    shares: Tensor


class Aggregator(Protocol):
    """Tiles to photo: neither the order of tiles nor padding changes what comes out."""

    def __call__(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Pooled:
        """Aggregate bags.

        Args:
            hidden: Shape (bag, tile, hidden).
            mask: Shape (bag, tile), bool; True where there is a tile.
            area_weight: Shape (bag, tile); sums to 1 over a bag's tiles.

        Raises:
            EmptyBagError: A bag is padding only.
        """


class GatedAttention(nn.Module):
    """Attention pooling with a gate (Ilse, Tomczak and Welling 2018, ICML, equation 9).

    `alpha_k = softmax_k(w^T (tanh(V h_k) * sigmoid(U h_k)))`, `z = sum_k alpha_k h_k`, and
    `components = softplus(W z + b)`. The softmax is taken in float32 with -inf on padding. A
    tile's share is its attention times the prediction: where the network looked, not how much
    grows there.
    """

    def __init__(self, hidden_dim: int, n_components: int, *, attention_dim: int) -> None:
        super().__init__()
        self.content = nn.Linear(hidden_dim, attention_dim)
        self.gate = nn.Linear(hidden_dim, attention_dim)
        self.score = nn.Linear(attention_dim, 1)
        self.components = _starting_at_one(nn.Linear(hidden_dim, n_components))

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Pooled:  # noqa: ARG002  # attention replaces the area
        """Aggregate bags; shapes as in `Aggregator`."""
        attention = self.attention(hidden, mask)
        embedding = (attention[..., None] * hidden).sum(dim=1)
        components = functional.softplus(self.components(embedding))
        shares = attention[..., None] * components[:, None, :]
        return Pooled(components=components, embedding=embedding, shares=shares)

    def attention(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The weights, shape (bag, tile); sum to 1 over tiles, exactly 0 where padded.

        Raises:
            EmptyBagError: A bag is padding only.
        """
        require_tiles(mask)
        gated = torch.tanh(self.content(hidden)) * torch.sigmoid(self.gate(hidden))
        logits: Tensor = self.score(gated).squeeze(-1).float()
        return torch.softmax(logits.masked_fill(~mask, -torch.inf), dim=1)


class AdditiveDensity(nn.Module):
    """Biomass as a measure on area: `y_c = sum_k a_k softplus(f_c(h_k))`.

    A tile's density is averaged over the photo by area, so the tile map sums to the prediction
    and a photo's value is the area-weighted sum of its halves' (Javed et al. 2022,
    arXiv 2206.01794, for additive MIL). The embedding is the area-weighted mean tile.
    """

    def __init__(self, hidden_dim: int, n_components: int) -> None:
        super().__init__()
        self.density = _starting_at_one(nn.Linear(hidden_dim, n_components))

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Pooled:
        """Aggregate bags; shapes as in `Aggregator`."""
        require_tiles(mask)
        weight = area_weight.masked_fill(~mask, 0.0)[..., None]
        shares = weight * functional.softplus(self.density(hidden))
        return Pooled(
            components=shares.sum(dim=1),
            embedding=(weight * hidden).sum(dim=1),
            shares=shares,
        )


AggregatorBuilder = Callable[[TrainingConfig, int], Aggregator]

AGGREGATORS: Mapping[str, AggregatorBuilder] = {
    "gated_attention": lambda training, n_components: GatedAttention(
        training.hidden_dim, n_components, attention_dim=training.attention_dim
    ),
    "additive_density": lambda training, n_components: AdditiveDensity(
        training.hidden_dim, n_components
    ),
}


def _starting_at_one(linear: nn.Linear) -> nn.Linear:
    nn.init.constant_(linear.bias, _ONE)
    return linear
