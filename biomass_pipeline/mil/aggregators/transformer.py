"""A small transformer over tiles, read off a class token, in the manner of TransMIL."""

import torch
from torch import Tensor, nn

from biomass_pipeline.mil.aggregators.attention import attend, by_head
from biomass_pipeline.mil.aggregators.pooled import Summary

_CLASS_TOKEN_SD = 0.02


class Block(nn.Module):
    """A pre-norm transformer layer in which some tokens ask others, or themselves."""

    def __init__(self, hidden_dim: int, *, n_heads: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(hidden_dim)
        self.query = nn.Linear(hidden_dim, hidden_dim)
        self.key = nn.Linear(hidden_dim, hidden_dim)
        self.value = nn.Linear(hidden_dim, hidden_dim)
        self.found = nn.Linear(hidden_dim, hidden_dim)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(hidden_dim),
            nn.Linear(hidden_dim, 2 * hidden_dim),
            nn.GELU(),
            nn.Linear(2 * hidden_dim, hidden_dim),
        )
        self._n_heads = n_heads

    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Let tokens ask.

        Args:
            asking: Shape (bag, query, hidden).
            asked: Shape (bag, token, hidden).
            mask: Shape (bag, token), bool; which of `asked` are there.

        Returns:
            The asking tokens, wiser, and the weights, shape (bag, head, query, token).
        """
        query, token = self.before_attention(asking), self.before_attention(asked)
        found, weight = attend(
            by_head(self.query(query), self._n_heads),
            by_head(self.key(token), self._n_heads),
            by_head(self.value(token), self._n_heads),
            mask=mask,
        )
        asking = asking + self.found(found.transpose(1, 2).flatten(2))
        return asking + self.perceptron(asking), weight


class ClassTokenTransformer(nn.Module):
    """Tiles and a learned class token attend to each other; the token is the photo.

    After TransMIL (Shao et al. 2021, NeurIPS, arXiv 2106.00908) with two changes: there is no
    encoding of positions, so the order of tiles means nothing, and attention is exact instead of
    Nystrom's. In the last layer only the class token asks, and only the tiles, so its attention
    there (averaged over heads) is the tiles' weight.
    """

    def __init__(self, hidden_dim: int, *, n_layers: int, n_heads: int) -> None:
        super().__init__()
        self.class_token = nn.Parameter(_CLASS_TOKEN_SD * torch.randn(hidden_dim))
        self.together = nn.ModuleList(
            Block(hidden_dim, n_heads=n_heads) for _ in range(n_layers - 1)
        )
        self.last = Block(hidden_dim, n_heads=n_heads)
        self.norm = nn.LayerNorm(hidden_dim)

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:  # noqa: ARG002  # attention replaces the area
        """Summarise bags; arguments as in `Aggregator`."""
        photo = self.class_token.to(hidden.dtype).expand(len(hidden), 1, -1)
        tokens = torch.cat([photo, hidden], dim=1)
        there = torch.cat([mask.new_ones(len(mask), 1), mask], dim=1)
        for block in self.together:
            tokens, _ = block(tokens, tokens, there)
        photo, weight = self.last(tokens[:, :1], tokens[:, 1:], mask)
        return Summary(embedding=self.norm(photo[:, 0]), weight=weight[:, :, 0].mean(dim=1))
