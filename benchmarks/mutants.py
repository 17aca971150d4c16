"""Break the code in a thousand small ways, and count what the tests notice.

Usage: python benchmarks/mutants.py [RESULT.json] [--rooms tiling folds] [--sample 100] [--seed 0]

mutmut makes every mutant of a room's functions; of those a sample is drawn, and each is given to
the room's own quick tests, those that reach the function. A mutant that no test reaches has
survived. `--sample 0` takes all of them. What survived is in the result, with its diff, and judged
in docs/reference/mutants.md.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from verdicts import Target, finish

ROOT = Path(__file__).resolve().parents[1]
KILLED = ("killed", "timeout", "segfault")
GOAL = 0.85
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
COPIED = ("biomass_pipeline", "biomass_pipeline_tests", "benchmarks", "scripts", "pyproject.toml")
CONFIGURATION = """
[tool.mutmut]
source_paths = ["biomass_pipeline"]
only_mutate = {sources}
also_copy = ["biomass_pipeline_tests"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = {options}
timeout_multiplier = 4
timeout_constant = 5
track_dependencies = false
use_git_change_detection = false
"""


@dataclass(frozen=True)
class Room:
    """What is broken, and who should notice."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]
    # They start programs, in which mutmut does not know its own settings.
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, *names: str, without: tuple[str, ...] = ()) -> "Room":
        """Whole rooms, and their tests."""
        return cls(
            tuple(f"biomass_pipeline/{name}/*" for name in names),
            tuple(f"biomass_pipeline_tests/{name}" for name in names),
            tuple(f"biomass_pipeline_tests/{test}" for test in without),
        )

    def configuration(self) -> str:
        """What mutmut is told."""
        options = ["-m", "not slow and not e2e", "-p", "no:cacheprovider"]
        options += [f"--deselect={test}" for test in self.without]
        return CONFIGURATION.format(
            sources=list(self.sources), tests=list(self.tests), options=options
        )


_LOSSES = ("losses", "heads", "likelihoods")
ROOMS = {
    "tiling": Room.of("tiling"),
    "folds": Room.of("folds"),
    "store": Room.of(
        "store",
        without=(
            "store/test_growth.py::test_finished_bags_are_read_while_others_are_written",
            "store/test_locks.py::test_the_second_writer_is_refused_and_told_who_is_the_first",
        ),
    ),
    "evaluation": Room.of("evaluation", "scoring"),
    "mil losses": Room(
        (*(f"biomass_pipeline/mil/{name}.py" for name in _LOSSES),
         "biomass_pipeline/mil/distributions/*"),
        (*(f"biomass_pipeline_tests/mil/test_{name}.py" for name in _LOSSES),
         "biomass_pipeline_tests/mil/distributions"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """A copy of the project in which one room is mutated."""

    folder: Path
    n_workers: int

    @classmethod
    def set_up(cls, folder: Path, room: Room, n_workers: int) -> "Bench":
        """Copy what tests need, and say what is to be mutated."""
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(room.configuration())
        return cls(folder, n_workers)

    def statuses(self) -> dict[str, str]:
        """What became of each mutant, by name."""
        lines = self._mutmut("results", "--all", "true").stdout.splitlines()
        found = (line.strip().rpartition(": ") for line in lines if ": " in line)
        return {name: status for name, _, status in found}

    def make(self) -> list[str]:
        """Every mutant's name."""
        # mutmut makes them all and learns which test reaches which, then finds that none is asked.
        made = self._mutmut("run", "--max-children", str(self.n_workers), "none of them")
        names = sorted(self.statuses())
        if "nothing matches" not in made.stderr + made.stdout or not names:
            sys.exit(f"mutants: mutmut could not begin:\n{told(made)}")
        return names

    def test(self, names: list[str]) -> dict[str, str]:
        """What became of these."""
        done = self._mutmut("run", "--max-children", str(self.n_workers), *names)
        found = {name: status for name, status in self.statuses().items() if name in set(names)}
        if "not checked" in found.values():
            sys.exit(f"mutants: mutmut did not end:\n{told(done)}")
        return found

    def diff(self, name: str) -> list[str]:
        """The lines that a mutant takes away and brings."""
        lines = self._mutmut("show", name).stdout.splitlines()
        return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]

    def _mutmut(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mutmut", *arguments],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
            capture_output=True,
            text=True,
        )


def told(ended: subprocess.CompletedProcess[str]) -> str:
    """The last that a program said, without what turned while it worked."""
    lines = (ended.stdout + ended.stderr).splitlines()
    return "\n".join([line for line in lines if line.strip() and line[0] not in _SPINNER][-40:])


def room_result(room: Room, *, sample: int, seed: int, n_workers: int) -> dict[str, Any]:
    """How many of a room's mutants there are, were tried and noticed, and what was not."""
    with TemporaryDirectory(prefix="biomass_mutants_") as name:
        bench = Bench.set_up(Path(name), room, n_workers)
        names = bench.make()
        drawn = names
        if 0 < sample < len(names):
            rng = np.random.default_rng(seed)
            drawn = sorted(rng.choice(names, sample, replace=False).tolist())
        found = bench.test(drawn)
        survivors = sorted(one for one, status in found.items() if status not in KILLED)
        return {
            "mutants": len(names),
            "tried": len(found),
            "killed": len(found) - len(survivors),
            "statuses": dict(Counter(found.values())),
            "survivors": {one: [found[one], *bench.diff(one)] for one in survivors},
        }


def main() -> None:
    """Try each room, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--sample", type=int, default=100, help="mutants a room; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="another sample")
    parser.add_argument("--workers", type=int, default=2, help="mutants at once")
    asked = parser.parse_args()
    found = {}
    for name in asked.rooms:
        found[name] = room_result(
            ROOMS[name], sample=asked.sample, seed=asked.seed, n_workers=asked.workers
        )
        counts = found[name]
        print(f"{name}: {counts['killed']} of {counts['tried']} killed, of {counts['mutants']}")
        for survivor, facts in counts["survivors"].items():
            print("", survivor, *facts, sep="\n  ")
    finish(
        asked.result,
        ratios={},
        targets=[
            Target(f"{name}: mutants killed", GOAL, counts["killed"] / counts["tried"])
            for name, counts in found.items()
        ],
        details={"sample": asked.sample, "seed": asked.seed, "rooms": found},
    )


if __name__ == "__main__":
    main()
