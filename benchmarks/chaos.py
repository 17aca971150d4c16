"""Kill, refuse, lock and shift the clock at random; hold what is left to the bytes of a clean run.

Usage: python benchmarks/chaos.py [RESULT.json] [--kills 200] [--minutes 15] [--seed 0]

Stories follow one another: a tiny project is struck again and again while `biomass run` works on
it, then runs once in peace. That run must complete, leave the bytes of a clean one in caches,
tables and predictions, no partial file, no lock, no run that never ends, no place in a pool that
nobody holds, sound databases, and nothing to do for the next. Whoever is struck and lives may say
one sentence, never a traceback. Needs Linux; with a C compiler every call that changes a file can
be the moment, without one those that Python reports. Full and read-only disks are real ones, where
there is the right to mount; the table says what was tried.
"""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from verdicts import Target, finish

from biomass_pipeline_tests.chaos.nursery import Nursery
from biomass_pipeline_tests.chaos.stories import KILLS, Chaos, Tally

KILLS_A_STORY, REFUSALS_A_STORY = 8, 6
# Two stories of kills, then another one.
OTHER_EVERY = 3


def told(tally: Tally) -> None:
    """The table: tries against failures."""
    print(f"{'what':<32}  tries  failures")
    for kind, tries in sorted(tally.tries.items()):
        print(f"{kind:<32}  {tries:5d}  {tally.failures[kind]:8d}")
    places = ", ".join(f"{place} {count}" for place, count in tally.places.most_common())
    print(f"struck in: {places}")
    for fault in tally.faults:
        print(f"- {fault}")


def tell(chaos: Chaos, tally: Tally, *, kills: int, until_s: float) -> None:
    """Stories of each kind in turn, until there were enough kills or the time is over."""
    others = {
        "refusals": partial(chaos.refusals, most=REFUSALS_A_STORY),
        "a small disk": chaos.small_disk,
        "a locked database": chaos.locked,
        "wrong clocks": chaos.clocks,
    }
    number = 0
    while (left := kills - killed(tally)) > 0 and time.monotonic() < until_s:
        number += 1
        if number % OTHER_EVERY:
            struck = partial(chaos.kills, most=min(KILLS_A_STORY, left))
            chaos.story(tally, "kills", struck)
        else:
            kind = [*others][number // OTHER_EVERY % len(others)]
            chaos.story(tally, kind, others[kind])
        print(f"{number} stories, {killed(tally)} kills, {len(tally.faults)} faults", flush=True)


def killed(tally: Tally) -> int:
    """How many runs were."""
    return sum(tally.tries[kind] for kind in KILLS)


def main() -> None:
    """Tell stories, print the table, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--kills", type=int, default=200, help="how many, at most")
    parser.add_argument("--minutes", type=float, default=15.0, help="no story begins after them")
    parser.add_argument("--seed", type=int, default=0, help="other points, other stories")
    asked = parser.parse_args()
    # A fork of a process that computes in several threads may hang.
    os.environ["OMP_NUM_THREADS"] = "1"
    tally, began_s = Tally(), time.monotonic()
    with (
        TemporaryDirectory(prefix="biomass_chaos_") as folder,
        Nursery(Path(folder)).opened() as nursery,
    ):
        chaos = Chaos.begun(Path(folder), nursery, seed=asked.seed)
        tell(chaos, tally, kills=asked.kills, until_s=began_s + 60 * asked.minutes)
    told(tally)
    finish(
        asked.result,
        ratios={"failures over tries": tally.failures.total() / max(tally.tries.total(), 1)},
        targets=[
            Target("kills", asked.kills, killed(tally)),
            Target("faults", 0, len(tally.faults), exactly=True),
        ],
        details={
            "seed": asked.seed,
            "every call counts": nursery.shim is not None,
            "tries": dict(sorted(tally.tries.items())),
            "failures": {kind: tally.failures[kind] for kind in sorted(tally.tries)},
            "struck in": dict(tally.places.most_common()),
            "faults": tally.faults,
            "seconds": time.monotonic() - began_s,
        },
    )
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
