"""How long a server's process needs to begin: what it loads set aside, or looked through.

Usage: python benchmarks/starting.py [RESULT.json]. Every run that Dagster launches is such a
process. Both ways take turns in one run; seconds are of the processor, from the start of Python to
its end.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from verdicts import finish

N_ROUNDS = 8
FORBIDS_BYTECODE = "PYTHONDONTWRITEBYTECODE"
GRAPH = "import biomass_pipeline.definitions"
PROGRAMS = {
    "set aside": GRAPH,
    "looked through": "import contextlib, biomass_pipeline.startup as startup\n"
    f"startup.lasting = contextlib.nullcontext\n{GRAPH}",
    "Dagster alone": "import dagster",
}


def processor_s(program: str, folder: Path) -> float:
    """What a process of its own takes, seconds."""
    before = os.times()
    # Bytecode is written and read, as everywhere but where somebody forbids it.
    environment = {key: value for key, value in os.environ.items() if key != FORBIDS_BYTECODE}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=folder, env=environment)
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def main() -> None:
    """Take turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    result: Path | None = parser.parse_args().result
    taken_s: dict[str, list[float]] = {way: [] for way in PROGRAMS}
    with TemporaryDirectory() as folder:
        for number in range(N_ROUNDS + 1):
            for way, program in PROGRAMS.items():
                seconds = processor_s(program, Path(folder))
                if number:  # the first reads files from the disk
                    taken_s[way].append(seconds)
    median_s = {way: statistics.median(values) for way, values in taken_s.items()}
    ratios = {
        "looked through / set aside": median_s["looked through"] / median_s["set aside"],
        "set aside / Dagster alone": median_s["set aside"] / median_s["Dagster alone"],
    }
    finish(result, ratios=ratios, details={"median_s": median_s, "processor_s": taken_s})


if __name__ == "__main__":
    main()
