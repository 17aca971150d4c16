"""Decoding in processes of its own, so that a crash in a decoder's C code costs one photo.

A process is spawned and never forked, imports what decoding needs and nothing else, and is given an
open file, not a path, a password or a network. What it says comes back as a few numbers, JSON and
pixels in memory without a name: nothing of it is run or unpickled. No photo is known here; what is
done with one is a job of the rooms above.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from biomass_pipeline.isolation.answer import NONSENSE, Answer
from biomass_pipeline.isolation.crew import Crew
from biomass_pipeline.isolation.worker import Job

if TYPE_CHECKING:
    from biomass_pipeline.config import ComputeConfig

__all__ = ["NONSENSE", "Answer", "Crew", "Isolation", "Job"]


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Isolation:
    """How decoding is kept apart: a value that can be sent to other machines.

    Attributes:
        limit_s: How long a process may be silent over a photo before it is ended.
        prepare: Called once in every new process, before its first photo; found there by its name,
            so that it is a function of a module.
    """

    limit_s: float = 60.0
    prepare: Callable[[], None] = _nothing

    @classmethod
    def of(cls, compute: "ComputeConfig") -> Self | None:
        """As configured; None where photos are decoded in threads."""
        return cls(limit_s=compute.decode_limit_s) if compute.decode_processes else None

    def crew(self) -> Crew:
        """A crew of such processes; none is started yet."""
        return Crew(limit_s=self.limit_s, prepare=self.prepare)
