"""How a program begins: what it loads is there until it ends."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Load without looking for garbage, and never look through what was loaded.

    Dagster, pandas and ours are half a million objects that nobody gives back. Python would go
    through all of them several times while they are made, again and again later, and once more at
    its end: nearly a third of what a process of a server needs to begin and end.

    Whoever sets aside first is the program itself: later calls in the same process, such as those
    of tests, leave what they find to be collected.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
        if collects:
            gc.enable()
