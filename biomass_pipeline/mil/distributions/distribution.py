"""What every distribution offers, and how parameters of several shapes become one shape."""

from functools import reduce
from typing import Protocol, Self

import torch
from torch import Tensor

# Keeps ln(mean) finite where softplus has underflowed to 0.
MEAN_FLOOR = 1e-6


class Distribution(Protocol):
    """A distribution of masses for each cell of a shape `(...)`, usually (bag, component).

    Arguments broadcast against that shape, and further axes may stand before it: levels or masses
    of shape (draw, bag, component) are one draw each. The finer of the precisions is kept.
    """

    @property
    def mean(self) -> Tensor:
        """The expectation, zeros included, shape (...)."""

    @property
    def median(self) -> Tensor:
        """The quantile at one half, shape (...)."""

    @property
    def p_zero(self) -> Tensor:
        """The probability of exactly 0, shape (...)."""

    def quantile(self, level: Tensor | float) -> Tensor:
        """The smallest mass that is not exceeded with probability `level`; 0 up to `p_zero`."""

    def cdf(self, y: Tensor | float) -> Tensor:
        """The probability of at most `y`; 0 below 0."""

    def crps(self, y: Tensor | float) -> Tensor:
        """The continuous ranked probability score of `y >= 0`, in its unit; lower is better."""

    def log_prob(self, y: Tensor | float) -> Tensor:
        """The log of P(0) where `y` is 0, elsewhere the log-density, per unit of `y`."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw, shape (n, ...); the generator is of the parameters' device."""

    def rescaled(self, factor: Tensor | float) -> Self:
        """The distribution of `factor` times the mass: the same in another unit."""


def together(*values: Tensor | float) -> tuple[Tensor, ...]:
    """Broadcast to one shape, in the finest precision among the tensors, on their device."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    dtype = reduce(torch.promote_types, [tensor.dtype for tensor in tensors])
    device = tensors[0].device
    exact = [torch.as_tensor(value, dtype=dtype, device=device) for value in values]
    shapes = (value.shape for value in exact)
    shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]  # torch's omission
    return tuple(value.expand(shape) for value in exact)
