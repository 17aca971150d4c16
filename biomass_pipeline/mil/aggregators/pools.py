"""Pools with a closed form: mean, maximum, generalised mean. Means weigh tiles by their area."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from biomass_pipeline.mil.aggregators.pooled import Summary

# Below it a feature counts as absent in the generalised mean, whose powers need positive numbers.
_GEM_FLOOR = 1e-6

# 1 + softplus(_POWER_THREE) = 3, the usual start (Radenovic et al. 2018).
_POWER_THREE = 1.854586542131141


class AreaMean(nn.Module):
    """`z = sum_k a_k h_k`: what a tile covers decides how much it counts."""

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:
        """Summarise bags; arguments as in `Aggregator`."""
        weight = area_weight.float().masked_fill(~mask, 0.0)
        return Summary(embedding=(weight[..., None] * hidden).sum(dim=1), weight=weight)


class Maximum(nn.Module):
    """`z_d = max_k h_kd`. A tile's weight is the part of the dimensions whose maximum it holds."""

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:  # noqa: ARG002  # a maximum knows no area
        """Summarise bags; arguments as in `Aggregator`. Tiles that tie share alike."""
        top = hidden.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
        holds = ((hidden == top[:, None, :]) & mask[..., None]).float()
        weight = (holds / holds.sum(dim=1, keepdim=True)).mean(dim=-1)
        return Summary(embedding=top, weight=weight)


class GeneralisedMean(nn.Module):
    """`z_d = (sum_k a_k h_kd^p)^(1/p)`, p >= 1 learnt (Radenovic, Tolias and Chum 2018, TPAMI).

    Taken as `exp(logsumexp_k(ln a_k + p ln h_kd) / p)`, which overflows for no p. A tile's weight
    is its term's part of the sum, averaged over dimensions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raw_power = nn.Parameter(torch.tensor(_POWER_THREE))

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:
        """Summarise bags; arguments as in `Aggregator`."""
        power = 1 + functional.softplus(self.raw_power)
        log_area = area_weight.float().masked_fill(~mask, 0.0).log()
        logits = log_area[..., None] + power * hidden.float().clamp_min(_GEM_FLOOR).log()
        logits = logits.masked_fill(~mask[..., None], -torch.inf)
        embedding = torch.exp(torch.logsumexp(logits, dim=1) / power)
        return Summary(embedding=embedding, weight=torch.softmax(logits, dim=1).mean(dim=-1))


class MeanMaxGem(nn.Module):
    """Mean, maximum and generalised mean, joined and brought back to the width of a tile.

    A tile's weight is the mean of its weights in the three.
    """

    def __init__(self, hidden_dim: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList([AreaMean(), Maximum(), GeneralisedMean()])
        self.joined = nn.Linear(3 * hidden_dim, hidden_dim)

    def forward(self, hidden: Tensor, mask: Tensor, area_weight: Tensor) -> Summary:
        """Summarise bags; arguments as in `Aggregator`."""
        each: list[Summary] = [pool(hidden, mask, area_weight) for pool in self.pools]
        joined = torch.cat([summary.embedding for summary in each], dim=-1)
        weight = torch.stack([summary.weight for summary in each]).mean(dim=0)
        return Summary(embedding=self.joined(joined), weight=weight)
