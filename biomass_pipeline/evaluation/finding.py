"""What a look at data found, for a person and for a machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Finding:
    """One thing, looked at.

    Attributes:
        passed: Whether it is as it should be; true also where nothing could be told.
        sentence: What was found, and what to do if it is not as it should be.
        table: The cases behind it, the worst first; empty if there is nothing to show.
        facts: Numbers behind it, by name.
        grave: Whether going on would be wrong, where that depends on how bad it is.
    """

    passed: bool
    sentence: str
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    grave: bool = True


def listed(names: list[str], *, most: int = 3) -> str:
    """Some names, and how many more there are.

    >>> listed(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
