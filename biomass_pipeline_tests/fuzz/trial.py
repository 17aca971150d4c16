"""Hostile inputs tried one after another in a process of their own, which may not survive them.

An item is well if the product reads it, or refuses it by name; everything else is a fault: any
other error, no answer in time, too much memory, a process that dies, a file written elsewhere.
"""

import multiprocessing
import os
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

from biomass_pipeline.errors import BiomassError

# Of computing; who only waits, as at a pipe that nobody writes to, gets a few times as long.
LIMIT_S = 10.0
_WAITS = 4
LIMIT_BYTES = 2 * 10**9
# A process has to import everything before its first item.
_START_S = 120.0
_LOOK_S = 0.2
# Opening for writing, whichever way, has one of these among the flags.
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What Python reports before it changes a file, with the places of the paths among the arguments.
_CHANGES = {
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.link": (1,),
    "os.truncate": (0,),
}

# Gets an item's content and an empty folder of its own; says how the product took each part of it.
Attempt = Callable[[Any, Path], Sequence[str]]


class Broken(AssertionError):  # noqa: N818  # what it names is a law that was broken
    """The product took an item in a way that no law allows."""


@dataclass(frozen=True)
class Item:
    """One hostile input: its name tells how to make it again."""

    name: str
    content: Any = field(repr=False)
    limit_s: float = LIMIT_S


@dataclass(frozen=True)
class Outcome:
    """How the product took an item, part by part; a fault is told in words."""

    name: str
    verdicts: Sequence[str]
    seconds: float
    peak_bytes: int
    fault: str = ""


def try_all(attempt: Attempt, items: Iterable[Item], folder: Path) -> list[Outcome]:
    """Try items one after another; a process that did not survive one is replaced."""
    return list(try_each(attempt, items, folder))


def try_each(attempt: Attempt, items: Iterable[Item], folder: Path) -> Iterator[Outcome]:
    """The same, as they come."""
    trier = _Trier(attempt, folder)
    try:
        for number, item in enumerate(items):
            yield trier.outcome(number, item)
    finally:
        trier.stop()


def faults(outcomes: Iterable[Outcome]) -> list[str]:
    """What a test shows of the items that broke the law."""
    return [f"{found.name}: {found.fault}" for found in outcomes if found.fault]


def summary(outcomes: Iterable[Outcome]) -> Counter[str]:
    """How many items were taken which way."""
    return Counter(
        verdict for found in outcomes for verdict in (["fault"] if found.fault else found.verdicts)
    )


class _Lost(Exception):  # noqa: N818  # no error of the test
    """A process gave no answer; the text says what came instead."""


class _Trier:
    """A process that tries items, and what watches it."""

    def __init__(self, attempt: Attempt, folder: Path) -> None:
        self._attempt, self._folder = attempt, folder
        self._start()

    def outcome(self, number: int, item: Item) -> Outcome:
        began_s = monotonic()
        try:
            self._pipe.send((number, item.content))
            verdicts, peak_bytes, fault = self._answer(item.limit_s)
        except _Lost as lost:
            verdicts, peak_bytes, fault = (), 0, str(lost)
            self.stop()
            self._start()
        if peak_bytes > LIMIT_BYTES:
            fault = fault or f"took {peak_bytes / 1e9:.1f} GB of memory"
        return Outcome(item.name, verdicts, monotonic() - began_s, peak_bytes, fault)

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        # What a process that was killed left behind is no fault of the next one.
        shutil.rmtree(self._folder / "temporary", ignore_errors=True)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(self._attempt, self._folder, theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        self._answer(_START_S)

    def _answer(self, limit_s: float) -> tuple[Sequence[str], int, str]:
        pid = self._process.pid
        ends_s, computed_s = monotonic() + _WAITS * limit_s, processor_s(pid)
        try:
            while not self._pipe.poll(_LOOK_S):
                if processor_s(pid) - computed_s > limit_s or monotonic() > ends_s:
                    raise _Lost(f"no answer in {limit_s:.0f} s")
                if resident_bytes(pid) > LIMIT_BYTES:
                    raise _Lost("took more memory than there may be")
            return self._pipe.recv()
        except (EOFError, ConnectionResetError) as end:
            self._process.join()
            raise _Lost(f"its process died with code {self._process.exitcode}") from end


def resident_bytes(pid: int | None, *, peak: bool = False) -> int:
    """What a process holds in memory, or held at most since it was last told to forget."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(wanted):
                return int(line.split()[1]) * 1024
    return 0


def processor_s(pid: int | None) -> float:
    """How long a process has computed."""
    with suppress(FileNotFoundError, ProcessLookupError):
        # Behind the name, which may hold spaces: user and system time are fields 14 and 15 of all.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _serve(attempt: Attempt, folder: Path, pipe: Connection) -> None:
    """Try what comes through the pipe, in the child's process."""
    temporary = folder / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(temporary)
    # Decoders complain to the terminal, thousands of times.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    writes = _Writes()
    pipe.send(((), 0, ""))
    while True:
        number, content = pipe.recv()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        own = folder / f"item_{number}"
        own.mkdir()
        with writes.only_below(own, temporary):
            verdicts, fault = _tried(attempt, content, own)
        fault = fault or writes.fault() or _left_over(temporary)
        pipe.send((verdicts, resident_bytes(os.getpid(), peak=True), fault))


def _tried(attempt: Attempt, content: Any, folder: Path) -> tuple[Sequence[str], str]:
    try:
        return attempt(content, folder), ""
    except Broken as broken:
        return (), str(broken)
    except BiomassError as error:
        return _named(error)
    except BaseException:  # noqa: BLE001  # whatever else escapes is what is looked for
        return (), traceback.format_exc(limit=-6)


def _named(error: BiomassError) -> tuple[Sequence[str], str]:
    text = str(error)
    if not text.strip():
        return (), f"{type(error).__name__} says nothing"
    return [f"named error: {type(error).__name__}"], ""


def _left_over(temporary: Path) -> str:
    left = [path.name for path in temporary.iterdir()]
    return f"left temporary files: {left}" if left else ""


class _Writes:
    """What this process opened for writing, renamed or removed, as Python itself reports it."""

    def __init__(self) -> None:
        self._allowed: tuple[str, ...] | None = None
        self._strange: list[str] = []
        sys.addaudithook(self._look)

    @contextmanager
    def only_below(self, *folders: Path) -> Iterator[None]:
        self._allowed = (*(str(folder.resolve()) for folder in folders), os.devnull)
        self._strange.clear()
        try:
            yield
        finally:
            self._allowed = None

    def fault(self) -> str:
        return f"wrote outside its folder: {sorted(set(self._strange))}" if self._strange else ""

    def _look(self, event: str, args: tuple[Any, ...]) -> None:
        if self._allowed is None:
            return
        if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & _WRITING:
            self._judge(args[0])
        for place in _CHANGES.get(event, ()):
            if isinstance(args[place], (str, bytes, os.PathLike)):
                self._judge(args[place])

    def _judge(self, path: Any) -> None:
        allowed = self._allowed or ()
        # Not resolved: a link that leads out is found by what lies there afterwards.
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  # the path may be bytes
        if not any(full == one or full.startswith(f"{one}/") for one in allowed):
            self._strange.append(full)
