"""Comparing speeds fairly: what is compared runs in turn, and the fastest of a few counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Self

Clock = Callable[[], float]


@dataclass(frozen=True)
class Effort:
    """How long to go on measuring.

    Attributes:
        rounds: At least so many turns each.
        enough_s: Go on with short calls until they took so long together.
        most_rounds: Never more turns than these.
    """

    rounds: int = 2
    enough_s: float = 1.0
    most_rounds: int = 60

    def once(self) -> Self:
        """A single turn: enough to plan the others by."""
        return replace(self, rounds=1, most_rounds=1)


def fastest(
    calls: Mapping[str, Callable[[], object]],
    *,
    effort: Effort,
    clock: Clock = perf_counter,
) -> dict[str, float]:
    """The fewest seconds that each call took, the calls taking turns: A B A B.

    A machine's speed moves by a quarter within minutes: turns let all calls share its moods, and
    other programs only ever add time.

    Args:
        calls: What to compare, by name; each must be done when it returns.
        effort: How long to go on.
        clock: Tells the time, in seconds.
    """
    best = dict.fromkeys(calls, float("inf"))
    total_s, turn = 0.0, 0
    while calls and (turn < effort.rounds or total_s < effort.enough_s):
        for name, call in calls.items():
            started_s = clock()
            call()
            took_s = clock() - started_s
            total_s += took_s
            best[name] = min(best[name], took_s)
        turn += 1
        if turn >= effort.most_rounds:
            break
    return best
