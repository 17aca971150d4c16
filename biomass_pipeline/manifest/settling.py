"""Which files are still being written, told from their times and from upload markers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What file systems call the time of the last change, best first.
_TIME_FACTS = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


@dataclass(frozen=True)
class Settling:
    """When a photo counts as written whole.

    Attributes:
        settle_s: One that changed more recently is still being written.
        upload_marker: While a file of this name lies in a folder, all photos in it and below are
            still being written; None: there are no markers.
        clock: Seconds since 1970, as the file system counts them.
    """

    settle_s: float = 0.0
    upload_marker: str | None = None
    clock: Callable[[], float] = time.time

    def is_recent(self, modified_s: float | None, *, now_s: float) -> bool:
        """Whether a file changed just now.

        One without a time is taken as whole: object stores show a file only when it is. So is one
        far in the future, as a camera's wrong clock makes it; a little ahead, clocks differ.
        """
        return modified_s is not None and abs(now_s - modified_s) < self.settle_s


def modified_s(facts: dict[str, Any]) -> float | None:
    """Seconds since 1970 of a file's last change, from what a listing says; None if it does not."""
    for name in _TIME_FACTS:
        if (value := facts.get(name)) is not None:
            return _seconds(value)
    return None


def _seconds(value: object) -> float | None:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return None
    return float(value) if isinstance(value, (int, float)) else None
