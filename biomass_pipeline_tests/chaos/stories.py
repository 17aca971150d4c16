"""Stories of misfortune: a tiny project is struck again and again, then runs once more in peace.

Where a project is struck is drawn from a seed, as the number of a point (`points.Strike`).
Nothing is started but forks of one process of our own, and all of them are ended.
"""

import errno
import json
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from biomass_pipeline.testing import write_tiny_survey
from biomass_pipeline_tests.chaos import laws
from biomass_pipeline_tests.chaos.nursery import Ended, Nursery, Order
from biomass_pipeline_tests.chaos.points import IN_PEACE, Strike

RUN = ("run", "--json")
# Another way to train: killed under it, the project goes back to the first.
OTHERWISE = (*RUN, "--set", "training.epochs=3")
LIMIT_S = 300.0
_LOCKED_S = 8.0
_FULL_BYTES = 3 * 2**20
_AGES_S = (-400 * 86_400, -3_600, 3_600, 400 * 86_400)
_DONE = 0
# A sentence and its exit code; or nothing, where it did not matter.
_TOLD = {_DONE, 1, 2}
KILLS = ("kill at a write", "kill at a write of ours", "kill in time")


@dataclass
class Tally:
    """Tries against failures, kind by kind, and what was broken in words."""

    tries: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    places: Counter[str] = field(default_factory=Counter)

    def count(self, kind: str, faults: list[str], *, place: str = "") -> None:
        """One try of a kind, with what was wrong with it."""
        self.tries[kind] += 1
        self.failures[kind] += bool(faults)
        self.faults += [f"{kind}: {fault}" for fault in faults]
        if place:
            self.places[place] += 1


# Happens to the project in a folder, and is counted.
Misfortune = Callable[[Tally, Path], None]


@dataclass(frozen=True)
class Chaos:
    """One clean project, and as many others as there are stories.

    Attributes:
        home: A folder of its own.
        nursery: Starts commands.
        chance: Draws what happens.
        n_points: What a clean run passes, and how much of it outside of Dagster's folder.
    """

    home: Path
    nursery: Nursery
    chance: np.random.Generator
    n_points: tuple[int, int]

    @classmethod
    def begun(cls, home: Path, nursery: Nursery, *, seed: int) -> "Chaos":
        """Make the clean project, by one run."""
        made = cls(home, nursery, np.random.default_rng(seed), (0, 0))
        ended = nursery.run(made.order(made.project("clean"), aside=True), limit_s=LIMIT_S)
        assert ended.code == _DONE, ended.said
        return replace(made, n_points=ended.points)

    def project(self, name: str) -> Path:
        """Twelve labelled photos and two others, on a backbone without weights."""
        survey = write_tiny_survey(self.home / name)
        survey.photo("new0.png", 33, blue=77)
        survey.photo("new1.png", 66, blue=78)
        survey.write(
            backbone={"name": "colour-texture"},
            compute={"device": "cpu", "checkpoint_every_epochs": 1},
        )
        return survey.folder

    def order(self, folder: Path, strike: Strike = IN_PEACE, *, aside: bool = False) -> Order:
        """`biomass run` on a project, counted with or without what Dagster writes."""
        root = folder / "artefacts"
        return Order(
            RUN, folder, root, folder / "log", strike, str(root / "dagster") if aside else ""
        )

    def point(self, *, ours: bool) -> int:
        """A point that a run, which goes on where another was struck, is likely to reach."""
        return int(self.chance.integers(0, self.n_points[ours] // 3))

    def story(self, tally: Tally, kind: str, *misfortunes: Misfortune) -> None:
        """A project of its own, what happens to it, and one more run in peace.

        That run completes, to the clean bytes, and leaves the next one nothing to do.
        """
        folder = self.project(f"story_{tally.tries.total()}")
        for misfortune in misfortunes:
            misfortune(tally, folder)
        faults = self._end(folder)
        tally.count(f"project after {kind}", faults)
        if not faults:
            shutil.rmtree(folder)

    def _end(self, folder: Path) -> list[str]:
        ended = self.nursery.run(self.order(folder), limit_s=LIMIT_S)
        if ended.code != _DONE:
            return [f"the next run ended with {ended.code}: {laws.words(ended)}"]
        again = self.nursery.run(self.order(folder), limit_s=LIMIT_S)
        faults = laws.broken(folder / "artefacts", self.home / "clean" / "artefacts")
        if again.code != _DONE or json.loads(again.printed)["materialized"]:
            faults.append(f"a run with nothing to do ended with {again.code}: {again.printed}")
        return faults

    def kills(self, tally: Tally, folder: Path, *, most: int) -> None:
        """Kill at a point of any kind, at a moment, or under other settings, until a run ends."""
        for _ in range(most):
            kind = str(self.chance.choice(KILLS))
            other = bool(self.chance.integers(4) == 0)
            ended = self._killed(folder, kind, OTHERWISE if other else RUN)
            if ended.code != -signal.SIGKILL:
                tally.count("run between kills", trouble(ended, codes={_DONE}))
                return
            tally.count(kind, trouble(ended, codes={-signal.SIGKILL}), place=place_of(ended))

    def _killed(self, folder: Path, kind: str, words: tuple[str, ...]) -> Ended:
        ours = kind.endswith("ours")
        strike = Strike(at=self.point(ours=ours), signal=signal.SIGKILL)
        if kind != "kill in time":
            return self.nursery.run(
                replace(self.order(folder, strike, aside=ours), words=words), limit_s=LIMIT_S
            )
        command = self.nursery.started(replace(self.order(folder), words=words))
        command.process.join(self.chance.uniform(0.2, 8.0))
        command.kill()
        return command.ended(LIMIT_S)

    def refusals(self, tally: Tally, folder: Path, *, most: int) -> None:
        """A disk that refuses what is written, for once or from there on."""
        errors = {"no space": errno.ENOSPC, "I/O error": errno.EIO, "read-only": errno.EROFS}
        for _ in range(most):
            kind = str(self.chance.choice([*errors]))
            ours, once = bool(self.chance.integers(2)), bool(self.chance.integers(4) == 0)
            strike = Strike(self.point(ours=ours), error=errors[kind], many=1 if once else -1)
            ended = self.nursery.run(self.order(folder, strike, aside=ours), limit_s=LIMIT_S)
            tally.count(kind, trouble(ended, codes=_TOLD), place=place_of(ended))

    def clocks(self, tally: Tally, folder: Path) -> None:
        """A clock that is wrong from the start, then jumps the other way in the middle of a run."""
        for shift_s in map(int, self.chance.permutation(_AGES_S)[:2]):
            strike = Strike(self.point(ours=False), shift_s=shift_s, jump_s=-2 * shift_s)
            ended = self.nursery.run(self.order(folder, strike), limit_s=LIMIT_S)
            tally.count("clock", trouble(ended, codes={_DONE}))

    def locked(self, tally: Tally, folder: Path) -> None:
        """Dagster's databases, held by another program in the middle of a run."""
        strike = Strike(self.point(ours=False), signal=signal.SIGSTOP)
        command = self.nursery.started(self.order(folder, strike))
        if command.stopped(LIMIT_S):
            with held_databases(folder / "artefacts" / "dagster", _LOCKED_S):
                command.resume()
                ended = command.ended(LIMIT_S)
        else:
            ended = command.ended(LIMIT_S)
        tally.count("database locked", trouble(ended, codes={_DONE}))

    def small_disk(self, tally: Tally, folder: Path) -> None:
        """A real disk: full, then read-only in the middle of a run, then taken away again."""
        with mounted(folder / "artefacts") as disk:
            if disk is None:
                tally.count("small disk (no right to mount)", [])
                return
            for size in np.sort(self.chance.integers(_FULL_BYTES // 8, _FULL_BYTES, 2)):
                disk(f"size={size}")
                ended = self.nursery.run(self.order(folder), limit_s=LIMIT_S)
                tally.count("disk full", trouble(ended, codes=_TOLD))
            disk("size=1g")
            strike = Strike(self.point(ours=False), signal=signal.SIGSTOP)
            command = self.nursery.started(self.order(folder, strike))
            if command.stopped(LIMIT_S):
                disk("ro,size=1g")
                command.resume()
            tally.count("disk made read-only", trouble(command.ended(LIMIT_S), codes=_TOLD))
            disk("rw,size=1g")
            tally.count("project on a small disk", self._end(folder))


def trouble(ended: Ended, *, codes: set[int]) -> list[str]:
    """What is wrong with how a command ended: a traceback, a hang, a code that nobody knows."""
    found = []
    if ended.code not in codes:
        found.append(f"code {ended.code} at {ended.struck!r}: {laws.words(ended)}")
    if text := laws.traceback(ended):
        found.append(f"a traceback at {ended.struck!r}: {text}")
    return found


def place_of(ended: Ended) -> str:
    """Where a command was struck, in a word: whose file it was."""
    path = ended.struck.partition(" /")[2]
    places = {"dagster": "event log", "features": "extraction", "checkpoints": "training"}
    first = path.partition("/")[0]
    return places.get(first, "tables and documents") if path else "anywhere, in time"


@contextmanager
def held_databases(home: Path, seconds: float) -> Iterator[None]:
    """Hold every database of a home for some seconds, as whoever copies it may."""
    ready = threading.Event()

    def hold() -> None:
        held = [
            sqlite3.connect(file, isolation_level=None, timeout=0) for file in home.rglob("*.db")
        ]
        for database in held:
            # One that is being written just now stays with its writer.
            with suppress(sqlite3.OperationalError):
                database.execute("BEGIN EXCLUSIVE")
        ready.set()
        time.sleep(seconds)
        for database in held:
            database.close()

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(seconds)
    try:
        yield
    finally:
        thread.join()


@contextmanager
def mounted(folder: Path) -> Iterator[Callable[[str], object] | None]:
    """A disk of its own at a folder, and what changes its options; None without the right to."""
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", folder],  # noqa: S607  # found in PATH
        capture_output=True,
        check=False,
    )
    if made.returncode:
        yield None
        return

    def change(options: str) -> object:
        return subprocess.run(
            ["mount", "-o", f"remount,{options}", folder],  # noqa: S607  # as above
            check=False,
            capture_output=True,
        )

    with closing(_Mount(folder)):
        yield change


@dataclass(frozen=True)
class _Mount:
    folder: Path

    def close(self) -> None:
        # Lazily: databases stay open here for as long as they are likely to be asked again.
        subprocess.run(["umount", "--lazy", self.folder], check=True)  # noqa: S607  # as above
