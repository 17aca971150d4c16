"""Signs of life: a line in a run's log while a step says nothing else."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Self

import dagster as dg

# Whoever looks at a log line sees within a minute or two whether a step still works. Each line is
# a row in the event store: sixty an hour at most, and none while the step itself talks.
_QUIET_S = 60.0
_DOMAIN = "biomass_pipeline"


class Heart:
    """Says that a step is still at work, whenever nothing was said for a while."""

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        quiet_s: float = _QUIET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin now.

        Args:
            say: Takes the line.
            quiet_s: How long nothing must have been said.
            clock: In seconds.
        """
        self._say, self._quiet_s, self._clock = say, quiet_s, clock
        self._began_s = self._heard_s = clock()

    def hear(self) -> None:
        """Something was said."""
        self._heard_s = self._clock()

    def beat(self) -> float:
        """Speak if it is time.

        Returns:
            Seconds until it may be time again.
        """
        now_s = self._clock()
        left_s = self._quiet_s - (now_s - self._heard_s)
        if left_s > 0:
            # Rounding may leave next to nothing, and a thread that asks without end.
            return max(left_s, self._quiet_s / 100)
        self._heard_s = now_s
        self._say(f"still at work after {_spell(now_s - self._began_s)}")
        return self._quiet_s


@contextmanager
def signs_of_life(*, quiet_s: float = _QUIET_S) -> Iterator[None]:
    """Write a line to the log of the step that runs here, whenever it is quiet."""
    log, domain = dg.get_dagster_logger(), logging.getLogger(_DOMAIN)
    heart = Heart(log.info, quiet_s=quiet_s)
    over = Event()
    thread = Thread(target=_live, args=(heart, over), name="signs of life", daemon=True)
    with _Ear(heart).at(log), _Ear(heart).at(domain):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _live(heart: Heart, over: Event) -> None:
    while not over.wait(heart.beat()):
        pass


class _Ear(logging.Handler):
    """Hears what is said through a logger, and leaves it to others to write."""

    def __init__(self, heart: Heart) -> None:
        super().__init__()
        self._heart = heart

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # logging's signature
        self._heart.hear()

    @contextmanager
    def at(self, logger: logging.Logger) -> Iterator[Self]:
        logger.addHandler(self)
        try:
            yield self
        finally:
            logger.removeHandler(self)


def _spell(seconds: float) -> str:
    minutes, rest_s = divmod(round(seconds), 60)
    return f"{minutes} min" if minutes >= 2 else f"{60 * minutes + rest_s} s"  # noqa: PLR2004  # reads best
