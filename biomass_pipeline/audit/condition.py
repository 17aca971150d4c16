"""The condition that one artefact is in, in words for whoever has to do something about it."""

from dataclasses import dataclass
from enum import StrEnum

RUN = "run `biomass run`, which makes it"
REMAKE = "delete it and run `biomass run`, which makes it again"
RESTORE = "restore it from a backup"


class State(StrEnum):
    """How an artefact is, from good to bad."""

    WHOLE = "whole"
    # It can be read, and has nothing that an altered byte could be seen by.
    READABLE = "readable"
    NOT_MADE = "not made"
    # Whole, and made under other settings than the configuration has now.
    EARLIER = "earlier"
    # Left by a killed or replaced one; it harms nothing.
    LEFTOVER = "leftover"
    BUSY = "busy"
    QUARANTINED = "quarantined"
    MISSING = "missing"
    # Whole, and not of what lies beside it.
    UNFIT = "unfit"
    DAMAGED = "damaged"

    @property
    def is_fault(self) -> bool:
        """Whether a project with such an artefact is not whole."""
        return self in {State.MISSING, State.UNFIT, State.DAMAGED}


@dataclass(frozen=True)
class Condition:
    """How one artefact is.

    Attributes:
        name: Its path under the root folder.
        state: In a word.
        what: What is wrong, or what was not looked at.
        remedy: The next step; empty if there is none to take.
    """

    name: str
    state: State
    what: str = ""
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong and the next step."""
        return ": ".join(part for part in (self.what, self.remedy) if part)
