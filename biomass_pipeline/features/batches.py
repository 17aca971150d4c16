"""How many tiles a device likes at once, found by trying."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import torch

SIZES = (8, 16, 32, 64, 128)
# The smallest batch within this share of the best rate wins: less memory, finer progress.
SLACK = 0.03
# A slow device has shown what it likes by then.
BUDGET_S = 10.0


def choose_batch_size(
    embed: Callable[[int], object], *, clock: Callable[[], float] = time.perf_counter
) -> int:
    """Try batches of doubling size until memory or time runs out.

    Args:
        embed: Embeds so many tiles and waits for their rows.
        clock: Tells seconds.

    Returns:
        The smallest size whose rate is within 3 % of the best; the first if there is time for no
        more; where not even that fits, half as many until they do.
    """
    rates: dict[int, float] = {}
    started = clock()
    with suppress(torch.OutOfMemoryError):
        for size in SIZES:
            embed(size)  # the first of a size warms up
            before = clock()
            embed(size)
            rates[size] = size / (clock() - before)
            if clock() - started > BUDGET_S:
                break
    return smallest_good(rates) if rates else _largest_below(SIZES[0], embed)


def _largest_below(size: int, embed: Callable[[int], object]) -> int:
    """Halve a size that does not fit until it does; single tiles are not tried."""
    while size > 2:  # noqa: PLR2004
        size //= 2
        with suppress(torch.OutOfMemoryError):
            embed(size)
            return size
    return 1


def smallest_good(rates: Mapping[int, float]) -> int:
    """The smallest size whose rate is within 3 % of the best.

    >>> smallest_good({8: 90.0, 16: 98.0, 32: 100.0})
    16
    """
    enough = (1 - SLACK) * max(rates.values())
    return min(size for size, rate in rates.items() if rate >= enough)
