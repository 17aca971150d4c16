"""libvips, whose warnings stay with it.

pyvips gives each to Python's logging, in whichever of libvips' own threads it arises. Where Python
collects garbage at that moment, pictures are freed in the midst of libvips, and the process aborts.
"""

import os
from functools import cache
from importlib.util import find_spec
from typing import Any


def has_libvips() -> bool:
    """Whether it is installed here."""
    try:
        return find_spec("pyvips") is not None
    except (ImportError, ValueError):  # hidden from whoever asks
        return False


@cache
def libvips() -> Any:  # noqa: ANN401  # it has no types
    """The module `pyvips`, imported at first use: a run of ordinary photos needs no libvips."""
    # Read once, as libvips starts: it then drops warnings, where nobody else asks for them.
    os.environ.setdefault("VIPS_WARNING", "1")
    import pyvips  # noqa: PLC0415

    # It remembers pictures by the names of their files, which may hold another one by now.
    pyvips.cache_set_max(0)
    pyvips._remove_log_handler()  # noqa: SLF001  # it has no public name
    return pyvips
