"""Attention over tiles: plain, gated, and by learned queries.

Every softmax is taken in float32 with -inf on padding, which therefore weighs exactly 0.
"""

import math

import torch
from torch import Tensor, nn

from biomass_pipeline.mil.aggregators.pooled import Summary


class Attention(nn.Module):
    """Attention pooling (Ilse, Tomczak and Welling 2018, ICML, equations 7 to 9).

    `alpha_k = softmax_k(w^T tanh(V h_k))`, with a gate `w^T (tanh(V h_k) * sigmoid(U h_k))`, and
    `z = sum_k alpha_k h_k`.
    """

    def __init__(self, hidden_dim: int, *, attention_dim: int, gated: bool) -> None:
        super().__init__()
        self.content = nn.Linear(hidden_dim, attention_dim)
        self.gate = nn.Linear(hidden_dim, attention_dim) if gated else None
        self.score = nn.Linear(attention_dim, 1)

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:  # noqa: ARG002  # attention replaces the area
        """Summarise bags; arguments as in `Aggregator`."""
        weight = self.weight(hidden, mask)
        return Summary(embedding=(weight[..., None] * hidden).sum(dim=1), weight=weight)

    def weight(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The attention, shape (bag, tile); sums to 1 over tiles, exactly 0 where padded."""
        content = torch.tanh(self.content(hidden))
        if self.gate is not None:
            content = content * torch.sigmoid(self.gate(hidden))
        logits: Tensor = self.score(content).squeeze(-1).float()
        return torch.softmax(logits.masked_fill(~mask, -torch.inf), dim=1)


class LearnedQueries(nn.Module):
    """Multi-head attention of a few learned queries (Lee et al. 2019, ICML, equation 11: PMA).

    What the queries find is joined and brought back to the width of a tile. A tile's weight is its
    attention, averaged over queries and heads.
    """

    def __init__(self, hidden_dim: int, *, n_queries: int, n_heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(n_heads, n_queries, hidden_dim // n_heads))
        self.key = nn.Linear(hidden_dim, hidden_dim)
        self.value = nn.Linear(hidden_dim, hidden_dim)
        self.joined = nn.Linear(n_queries * hidden_dim, hidden_dim)
        self._n_heads = n_heads

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:  # noqa: ARG002  # attention replaces the area
        """Summarise bags; arguments as in `Aggregator`."""
        key = by_head(self.key(hidden), self._n_heads)
        value = by_head(self.value(hidden), self._n_heads)
        found, weight = attend(self.query, key, value, mask=mask)
        return Summary(embedding=self.joined(found.flatten(1)), weight=weight.mean(dim=(1, 2)))


def by_head(tokens: Tensor, n_heads: int) -> Tensor:
    """Deal the width out to heads: (bag, token, hidden) to (bag, head, token, width)."""
    return tokens.reshape(*tokens.shape[:-1], n_heads, -1).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention, exact (Vaswani et al. 2017, equation 1).

    Args:
        query: Shape (bag, head, query, width), or without bag if all ask the same.
        key: Shape (bag, head, token, width).
        value: Shape (bag, head, token, width).
        mask: Shape (bag, token), bool; True where there is a token, at least one a bag.

    Returns:
        What was found, shape (bag, head, query, width), and the weights, shape
        (bag, head, query, token), float32, exactly 0 where there is no token.
    """
    logits = (query @ key.transpose(-1, -2)).float() / math.sqrt(key.shape[-1])
    weight = torch.softmax(logits.masked_fill(~mask[:, None, None, :], -torch.inf), dim=-1)
    return weight.to(value.dtype) @ value, weight
