"""Faults of disk, network or device, which pass: tried again later, where nobody sits by.

A person's mistake does not pass, so it is never tried again. What tells the two apart is the
system's error number, not the kind of error: a damaged photo and a share that went away for a
minute are both an OSError, but only the second one has a number.
"""

import errno
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

import dagster as dg

from biomass_pipeline.errors import (
    BusyCacheError,
    ClusterFailedError,
    ClusterStartError,
    UnreachableClusterError,
)
from biomass_pipeline.orchestration.exclusion import COMMAND_TAGS
from biomass_pipeline.orchestration.signs import signs_of_life

P = ParamSpec("P")
R = TypeVar("R")

# Waits of 15, 45 and 105 seconds, each give or take fifteen.
RETRIES = dg.RetryPolicy(
    max_retries=3, delay=15, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
_PASSING_NAMES = (
    "EAGAIN EBUSY ECONNABORTED ECONNREFUSED ECONNRESET EDQUOT EHOSTDOWN EHOSTUNREACH EIO EMFILE "
    "ENETDOWN ENETRESET ENETUNREACH ENFILE ENOBUFS ENOLCK ENOSPC EPIPE EREMOTEIO ESTALE ETIMEDOUT "
    "ENOTCONN"
)
# Not every system knows every name.
_PASSING = {getattr(errno, name) for name in _PASSING_NAMES.split() if hasattr(errno, name)}
_PASSING_ERRORS = (
    ConnectionError,
    TimeoutError,
    BusyCacheError,
    ClusterFailedError,
    ClusterStartError,
    UnreachableClusterError,
)


def passes(error: BaseException) -> bool:
    """Whether an error, or what it was explicitly raised from, is a fault that may pass."""
    return any(_is_fault(cause) for cause in causes(error))


def persevering(body: Callable[P, R]) -> Callable[P, R]:
    """The body of an asset that asks to be run again, later, after a fault that may pass.

    Dagster's own retry policies would run a person's mistake again as well, and would turn a
    cancellation into a retry. Runs that a command started are not retried: a person sits there.
    """
    retried = patient(body)

    @wraps(body)
    def attended(*args: P.args, **kwargs: P.kwargs) -> R:
        with signs_of_life():
            return retried(*args, **kwargs)

    return attended


def patient(function: Callable[P, R]) -> Callable[P, R]:
    """The same for an IO manager's method: its whole step is run again."""

    @wraps(function)
    def attended(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            attempt = _attempt()
            if attempt is None or attempt > RETRIES.max_retries or not passes(error):
                raise
            raise _again_later(error, attempt=attempt) from error

    return attended


def _again_later(error: Exception, *, attempt: int) -> dg.RetryRequested:
    wait_s = RETRIES.calculate_delay(attempt)
    sentence = f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")
    dg.get_dagster_logger().warning(
        "%s. This may pass: attempt %d of %d begins in %.0f s.",
        sentence,
        attempt + 1,
        RETRIES.max_retries + 1,
        wait_s,
    )
    return dg.RetryRequested(RETRIES.max_retries, seconds_to_wait=wait_s)


def _attempt() -> int | None:
    """Which attempt of a server's step this is, from 1; None elsewhere."""
    try:
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return None
    if COMMAND_TAGS.items() <= context.run.tags.items():
        return None
    return context.retry_number + 1


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on; what was merely handled then is no cause."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__


def _is_fault(error: BaseException) -> bool:
    if isinstance(error, _PASSING_ERRORS) or _is_device_memory(error):
        return True
    return isinstance(error, OSError | RuntimeError) and number_of(error) in _PASSING


def _is_device_memory(error: BaseException) -> bool:
    """Whether PyTorch found a device full; asked by name, since torch may not be loaded."""
    kinds = [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__]
    return ("torch", "OutOfMemoryError") in kinds


def number_of(error: BaseException) -> int | None:
    """The system's error number; HDF5 hides it in its text."""
    number = getattr(error, "errno", None)
    if isinstance(number, int):
        return number
    found = re.search(r"errno = (\d+)", str(error))
    return int(found.group(1)) if found else None
