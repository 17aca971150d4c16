"""The moments at which a process changes files below a folder; at one of them it is struck.

With a C compiler every call that changes a file is such a moment (`shim.c`, loaded before the C
library), SQLite's, HDF5's and Arrow's own calls among them. Without one, what Python itself
reports: files opened to be written, renames, removals, and what `os.fsync` puts on the disk.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SHIM = Path(__file__).with_name("shim.c")
# A clock that jumps by nothing, an error that is none, a signal that is none.
NEVER = -1
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What Python reports before it changes a file, with the place of the path among the arguments.
_CHANGES = {"os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.link": 1, "os.truncate": 0}


@dataclass(frozen=True)
class Strike:
    """What happens to a process, and when.

    Attributes:
        at: The point, from 0; none if negative.
        signal: That it gets there; 0: none.
        error: The system's error number of that point and those after it; 0: none.
        many: How many points fail; -1: all from there on.
        jump_s: By how much the clock jumps there.
        shift_s: By how much the clock is wrong from the start.
    """

    at: int = NEVER
    signal: int = 0
    error: int = 0
    many: int = 1
    jump_s: int = 0
    shift_s: int = 0


IN_PEACE = Strike()


def compiled(folder):
    """The shim, made by the machine's C compiler; None where there is none."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    made = Path(folder) / "shim.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(SHIM), "-ldl"]
    done = subprocess.run(command, capture_output=True, check=False)
    return made if done.returncode == 0 else None


def armed(root, strike, *, aside, log):
    """Begin to count in this process; gives what tells the count, of all or but those aside.

    Args:
        root: The folder whose changes are points.
        aside: A folder in it whose changes are none; empty: there is none.
        strike: What happens.
        log: An open descriptor that gets a line at the point.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "chaos_arm"):
        return Told(str(root), strike, str(aside), log).count
    library.chaos_shift(ctypes.c_long(strike.shift_s))
    library.chaos_arm(
        os.fsencode(root),
        os.fsencode(aside),
        ctypes.c_long(strike.at),
        strike.signal,
        strike.error,
        ctypes.c_long(strike.many),
        ctypes.c_long(strike.jump_s),
        log,
    )
    library.chaos_count.restype = ctypes.c_long
    return library.chaos_count


class Told:
    """The same by what Python reports, where there is no compiler. It cannot be taken back."""

    def __init__(self, root, strike, aside, log):
        self._root, self._aside, self._strike, self._log = root, aside, strike, log
        self._count = self._all = 0
        self._shift_s = strike.shift_s
        self._fsync, self._time = os.fsync, time.time
        os.fsync, time.time = self._synchronize, self._now
        sys.addaudithook(self._look)

    def count(self, all_of_them):
        return self._all if all_of_them else self._count

    def _look(self, event, args):
        if event == "open" and isinstance(args[0], str) and args[2] & _WRITING:
            self._meet(event, args[0])
        elif event in _CHANGES and isinstance(args[_CHANGES[event]], (str, os.PathLike)):
            self._meet(event, os.fspath(args[_CHANGES[event]]))

    def _synchronize(self, descriptor):
        file = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        self._meet("fsync", str(Path(f"/proc/self/fd/{file}").readlink()))
        self._fsync(descriptor)

    def _now(self):
        return self._time() + self._shift_s

    def _meet(self, what, path):
        if not path.startswith(self._root):
            return
        self._all += 1
        if self._aside and path.startswith(self._aside):
            return
        here, strike = self._count, self._strike
        self._count += 1
        if here == strike.at:
            os.write(self._log, f"{what} {path.removeprefix(self._root)}\n".encode())
            self._shift_s += strike.jump_s
            if strike.signal:
                os.kill(os.getpid(), strike.signal)
        if strike.error and 0 <= strike.at <= here and not 0 <= strike.many <= here - strike.at:
            raise OSError(strike.error, os.strerror(strike.error), path)
