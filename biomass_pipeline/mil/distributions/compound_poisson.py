"""Sums of a Poisson number of gamma variates: the series behind the Tweedie distribution.

Arrays in float64: the terms of these series are large and nearly cancel. The terms of a sum over
counts 1, 2, ... have the form of a bell. Where it is narrow every count is taken; where it is wide,
counts at equal steps that need not be whole: the trapezoid rule gives a smooth bell's sum to
machine precision as long as the steps are well inside it. So the number of terms is bounded
whatever the parameters, and nothing is approximated by another distribution.
"""

import torch
from torch import Tensor

# A bell beyond 8.5 sd is below 1e-16 of its sum; the constant serves skewed bells near 0.
_REACH_SD = 8.5
_REACH_EXTRA = 12.0

# So many terms at most: steps of a bell that needs more are sd / 7 and finer.
SERIES_TERMS = 128
CDF_TERMS = 256

# Counts beyond are as good as infinite, and still exact in float64.
_LARGEST_COUNT = 1e14

# Of the trapezoid rule in ln t: beyond e^-24 of the whole nothing is left.
_LOG_RANGE = 24.0
_LOG_STEP = 0.05


def counts_around(centre: Tensor, sd: Tensor, *, n_max: int) -> tuple[Tensor, Tensor]:
    """Counts over a bell: every one if they are at most `n_max`, else at equal steps.

    Args:
        centre: Shape (...), where the bell is highest.
        sd: Shape (...), its width.
        n_max: How many counts are taken at most.

    Returns:
        Counts >= 1 of shape (..., count), and the log of the step, shape (..., 1). Neither has a
        gradient: the sum does not depend on where its terms are taken.
    """
    middle, width = (_tame(value.detach()) for value in (centre, sd))
    reach = _REACH_SD * width + _REACH_EXTRA
    low = (middle - reach).floor().clamp_min(1)
    high = (middle + reach).ceil()
    n_counts = int(min(n_max, (high - low).max().item() + 1)) if low.numel() else 1
    step = ((high - low) / (n_counts - 1)).clamp_min(1)[..., None]
    ladder = torch.arange(n_counts, dtype=step.dtype, device=step.device)
    return low[..., None] + step * ladder, torch.log(step)


def log_series(y: Tensor, dispersion: Tensor, power: Tensor) -> Tensor:
    """`ln W(y)` of the Tweedie density's series (Dunn and Smyth 2005, Stat. Comput. 15, eq. 3).

    `W = sum_k exp(k A - ln k! - ln Gamma(k a))` with `a = (2-r)/(r-1)` and
    `A = a ln y - a ln(r-1) - (1+a) ln phi - ln(2-r)`; the mean does not enter it. The largest
    terms lie around `k = y^(2-r) / (phi (2-r))`, with a variance of `k (r-1)`.

    Args:
        y: Shape (...), > 0.
        dispersion: Shape (...), phi > 0.
        power: Shape (...), r in (1, 2).
    """
    shape = (2 - power) / (power - 1)
    scale = shape * (torch.log(y) - torch.log(power - 1))
    scale = scale - (1 + shape) * torch.log(dispersion) - torch.log(2 - power)
    centre = y ** (2 - power) / (dispersion * (2 - power))
    counts, log_step = counts_around(centre, torch.sqrt(centre * (power - 1)), n_max=SERIES_TERMS)
    terms = counts * scale[..., None] - torch.lgamma(counts + 1)
    terms = terms - torch.lgamma(counts * shape[..., None])
    return torch.logsumexp(terms + log_step, dim=-1)


def count_weights(rate: Tensor) -> tuple[Tensor, Tensor]:
    """Counts >= 1 of a Poisson distribution and their probabilities, both of shape (..., count)."""
    counts, log_step = counts_around(rate, torch.sqrt(rate), n_max=CDF_TERMS)
    terms = counts * torch.log(rate[..., None]) - torch.lgamma(counts + 1) + log_step
    # Normalised, so that rounding in the large terms does not move the whole.
    return counts, torch.softmax(terms, dim=-1) * -torch.expm1(-rate[..., None])


def half_difference(rate: Tensor, shape: Tensor) -> Tensor:
    """Half the mean difference of two such sums, in units of the gammas' scale, shape (...).

    By the characteristic function f: `E|X - X'| / 2 = (1/pi) int_0^inf (1 - |f(t)|^2) / t^2 dt`,
    with `|f(t)|^2 = exp(2 rate (Re (1 - it)^-shape - 1))`. In `u = ln t` the integrand is analytic
    and decays like `e^-|u|`, so the trapezoid rule is exact to its range.
    """
    sd = torch.sqrt(rate * shape * (shape + 1))
    ladder = torch.arange(-_LOG_RANGE, _LOG_RANGE, _LOG_STEP, dtype=sd.dtype, device=sd.device)
    t = torch.exp(ladder) / sd[..., None]
    modulus = torch.exp(-shape[..., None] / 2 * torch.log1p(t.square()))
    real = modulus * torch.cos(shape[..., None] * torch.atan(t))
    within = -torch.expm1(2 * rate[..., None] * (real - 1)) / t
    return within.sum(dim=-1) * _LOG_STEP / torch.pi


def _tame(value: Tensor) -> Tensor:
    """NaN parameters give a NaN sum: they must not stop the layout of its terms."""
    finite = torch.nan_to_num(value, nan=1.0, posinf=_LARGEST_COUNT)
    return finite.clamp_max(_LARGEST_COUNT)
