"""Quantiles of a distribution that has no formula for them."""

from collections.abc import Callable

import torch
from torch import Tensor

Curve = Callable[[Tensor], Tensor]

# Below the highest mass, in ln y, a first table has nodes at these distances: dense where the mass
# is, and down to next to nothing, where quantiles of a strongly skewed distribution begin.
_NEAREST = 0.25
_FARTHEST = 700.0
_NODES = 128

# Levels are met to this; a table's interval halved so often is narrower than a float.
_TOLERANCE = 1e-12
_STEPS_MAX = 60


def invert(cdf: Curve, log_density: Curve, level: Tensor, *, highest: Tensor) -> Tensor:
    """The smallest y >= 0 with `cdf(y) >= level`.

    A table of the distribution function brackets every level; Newton's steps in ln y follow, and
    bisection where such a step would leave the bracket.

    Args:
        cdf: Rises from its value at 0; cells of shape (...), further axes may stand before.
        log_density: The log of its slope, likewise.
        level: Shape (level..., ...), float64; 1 gives infinity.
        highest: Shape (...), > 0; no quantile below level 1 lies above.
    """
    none = cdf(torch.zeros_like(highest))
    within = (level > none) & (level < 1)
    found = torch.exp(
        _search(cdf, log_density, torch.where(within, level, (1 + none) / 2), highest)
    )
    certain = torch.where(level < 1, 0 * none, torch.inf)
    return torch.where(within, found, certain)


def _search(cdf: Curve, log_density: Curve, level: Tensor, highest: Tensor) -> Tensor:
    """The ln y at which `cdf` passes levels between its value at 0 and 1."""
    low, high = _brackets(cdf, level, highest=highest)
    x = (low + high) / 2
    for _ in range(_STEPS_MAX):
        miss = cdf(torch.exp(x)) - level
        low, high = torch.where(miss < 0, x, low), torch.where(miss < 0, high, x)
        # A cell of NaN parameters is not searched.
        found = ~(miss.abs() >= _TOLERANCE) | (high - low < _TOLERANCE)
        if bool(found.all()):
            break
        newton = x - miss * torch.exp(-log_density(torch.exp(x)) - x)
        step = torch.where((newton > low) & (newton < high), newton, (low + high) / 2)
        x = torch.where(found, x, step)
    return x


def _brackets(cdf: Curve, level: Tensor, *, highest: Tensor) -> tuple[Tensor, Tensor]:
    """Two values of ln y that enclose every level's, both of its shape."""
    distance = torch.logspace(0, 1, _NODES, base=_FARTHEST / _NEAREST).flip(0) * _NEAREST
    distance = distance.to(highest).reshape(-1, *[1] * highest.ndim)
    nodes = torch.cat([torch.log(highest) - distance, torch.log(highest)[None]])
    below = cdf(torch.exp(nodes)).movedim(0, -1).contiguous()
    flat = level.reshape(-1, *highest.shape).movedim(0, -1).contiguous()
    after = torch.searchsorted(below, flat).clamp(1, _NODES)
    rising = nodes.movedim(0, -1)
    low, high = (rising.gather(-1, after - offset).movedim(-1, 0) for offset in (1, 0))
    return low.reshape(level.shape), high.reshape(level.shape)
