"""Commands of `biomass` as forks of one process that imported everything: cheap to start and end.

Each is a process group of its own, with what it printed in files.
"""

import multiprocessing
import os
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from biomass_pipeline.cli import main
from biomass_pipeline_tests.chaos.points import IN_PEACE, Strike, armed, compiled

# What a run imports, so that a fork does not; nothing of it starts a thread.
PRELOADED = [
    "biomass_pipeline.cli.running",
    "biomass_pipeline_tests.chaos.nursery",
    "biomass_pipeline.mil.training",
    "biomass_pipeline.mil.prediction",
    "biomass_pipeline.reporting",
    "pyarrow.parquet",
]
_LOOK_S = 0.01


@dataclass(frozen=True)
class Order:
    """A command on a project.

    Attributes:
        words: After `biomass`.
        folder: Where `biomass.yaml` is.
        root: The artefacts, whose changes are points.
        log: A folder for what it prints.
        aside: A folder of the artefacts whose changes are no points; empty: there is none.
    """

    words: tuple[str, ...]
    folder: Path
    root: Path
    log: Path
    strike: Strike = IN_PEACE
    aside: str = ""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code; negative: the signal that killed it.
        printed: On standard output.
        said: On standard error.
        struck: Where it was struck; empty if it was not.
        points: How many points it passed, all of them and those that were not aside; 0 if it was
            killed.
        seconds: From start to end.
    """

    code: int
    printed: str
    said: str
    struck: str
    points: tuple[int, int]
    seconds: float


class Nursery:
    """A fork server that has imported what a run needs."""

    def __init__(self, folder):
        self.shim = compiled(folder)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)

    @contextmanager
    def opened(self):
        """The server started with the shim, and ended."""
        before = os.environ.get("LD_PRELOAD")
        if self.shim:
            os.environ["LD_PRELOAD"] = str(self.shim)
        try:
            self._context.Process(target=_nothing).start()
        finally:
            os.environ.pop("LD_PRELOAD", None)
            if before:
                os.environ["LD_PRELOAD"] = before
        try:
            yield self
        finally:
            multiprocessing.forkserver._forkserver._stop()

    def started(self, order):
        """A command that runs."""
        order.log.mkdir(parents=True, exist_ok=True)
        process = self._context.Process(target=_obey, args=(order,))
        process.start()
        return Command(order, process, time.monotonic())

    def run(self, order, *, limit_s=120.0):
        """A command to its end."""
        return self.started(order).ended(limit_s)


@dataclass(frozen=True)
class Command:
    """A command at work."""

    order: Order
    process: multiprocessing.process.BaseProcess
    began_s: float

    def kill(self):
        """End it and whatever it started, without a warning."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It ended, or has no group of its own yet.
            self.process.kill()

    def resume(self):
        """Let it go on after it stopped itself."""
        os.kill(self.process.pid, signal.SIGCONT)

    def ended(self, limit_s):
        """Wait until it ended; one that hangs is killed, and has no code."""
        self.process.join(limit_s)
        hung = self.process.exitcode is None
        if hung:
            self.kill()
            self.process.join()
        log, code = self.order.log, self.process.exitcode
        texts = [_text(log / name) for name in ("printed", "said", "struck", "points")]
        seconds = time.monotonic() - self.began_s
        printed, said, struck, points = texts
        passed = tuple(map(int, points.split() or (0, 0)))
        code = None if hung else code
        return Ended(code, printed, said, struck.strip(), passed, seconds)

    def stopped(self, limit_s):
        """Whether it stopped itself at its point, before it ended."""
        until_s = time.monotonic() + limit_s
        while self.process.is_alive() and time.monotonic() < until_s:
            if _state(self.process.pid) == "T":
                return True
            time.sleep(_LOOK_S)
        return False


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _text(path):
    return path.read_text(errors="replace") if path.exists() else ""


def _nothing():
    """Start the server."""


def _obey(order):
    """In the fork: be a process of its own, and do what was ordered."""
    os.setsid()
    for name, descriptor in (("printed", 1), ("said", 2)):
        file = os.open(order.log / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115  # for as long as the process
    for name in ("struck", "points"):
        (order.log / name).unlink(missing_ok=True)
    log = os.open(order.log / "struck", os.O_WRONLY | os.O_CREAT)
    os.chdir(order.folder)
    os.environ["BIOMASS_CONFIG"] = str(order.folder / "biomass.yaml")
    sys.argv = ["biomass", *order.words]
    # Nobody looks at these figures, and painting them takes longer than all else.
    Figure.draw = lambda *_, **__: None
    count = armed(order.root, order.strike, aside=order.aside, log=log)
    try:
        main()
    finally:
        (order.log / "points").write_text(f"{count(1)} {count(0)}")
